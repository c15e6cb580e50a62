package identity

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// loginFlags are the choices of login.
type loginFlags struct {
	addrs                        []string
	name, file, authority        string
	tokenFile, certificate, keyF string
	timeout                      time.Duration
}

// LoginCommand is login.
func LoginCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var f loginFlags
	cmd := &cobra.Command{
		Use: "login", Short: "Keep a token for a cluster, as a context", Args: cobra.NoArgs,
		Long: `Keep how to reach a cluster, and as whom, in the user's file of contexts
($SIPCLUSTER_CONTEXTS, else $XDG_CONFIG_HOME/sipcluster/contexts.yaml, else
~/.config/sipcluster/contexts.yaml), and use it from now on.

The token is read from stdin or --token-file, never from an argument; or a whole
context from --file: a node that made a cluster leaves one of role admin in its data
directory (admin.context), token create --context-file writes one. The cluster is known
by the fingerprint of its authority: --ca-sha256, or that of a context that is there;
on a terminal what the node shows can be accepted. Nothing is sent before that.

The context has the addresses of the other members too, as far as the role may know
them, so that commands go on when one is down; status and node list add new ones.`,
		Example: `  sipcluster login --file admin.context
  sipcluster login --addr 10.0.1.10:7001 --ca-sha256 4f0c... < token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Doing("login", c.login(cmd.Context(), &f))
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.addrs, "addr", nil, "TCport of a node, `HOST:PORT`, repeatable")
	flags.StringVar(&f.name, "name", "", "`NAME` of the context; default: one from the file, or the address")
	flags.StringVar(&f.file, "file", "", "`FILE` with a whole context, - for stdin")
	flags.StringVar(&f.authority, "ca-sha256", "", "`HEX`: fingerprint of the cluster's authority")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the token; default: stdin")
	flags.StringVar(&f.certificate, "certificate", "", "PEM `FILE` with a client certificate, instead of a token")
	flags.StringVar(&f.keyF, "key", "", "PEM `FILE` with its key")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long to wait for a node's answer")
	return cmd
}

// login keeps the context when the cluster takes it.
func (c commands) login(ctx context.Context, f *loginFlags) error {
	path, err := contexts.Path(c.Getenv)
	if err != nil {
		return err
	}
	as, err := c.given(f)
	if err != nil {
		return err
	}
	if len(as.Authorities) == 0 {
		if as.Authorities, err = c.authority(path, as.Addresses[0], f.timeout); err != nil {
			return err
		}
	}
	cl, err := client.ConnectTo(client.Target{Addrs: as.Addresses, As: &as}, f.timeout)
	if err != nil {
		return err
	}
	defer cl.Close()
	who, err := client.Unary(ctx, cl, cl.Access.WhoAmI, &configpb.WhoAmIRequest{})
	if err != nil {
		return err
	}
	as.Cluster = who.GetClusterId()
	if roster, err := client.Unary(ctx, cl, cl.Config.ListNodes, &configpb.ListNodesRequest{}); err == nil { // not every role may read it
		as.Addresses = client.Further(as.Addresses, client.TCports(roster))
	}
	err = contexts.Change(path, func(all *contexts.File) error {
		if f.name == "" {
			as.Name = all.FreeName(as.Name, as.Cluster)
		}
		all.Put(as)
		all.Current = as.Name
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "context %s is in use: %s, role %s, at %s\n", as.Name, who.GetToken().GetName(), configpb.RoleName(who.GetToken().GetRole()), strings.Join(as.Addresses, ", "))
	return err
}

// given is the context that the flags and stdin say.
func (c commands) given(f *loginFlags) (credential.Context, error) {
	var as credential.Context
	switch {
	case f.file != "":
		b, err := c.whole(f.file)
		if err != nil {
			return as, err
		}
		if as, err = credential.ParseContext(b); err != nil {
			return as, fmt.Errorf("%s: %w", f.file, err)
		}
	case f.certificate != "":
		as.Certificate, as.Key = f.certificate, f.keyF
	default:
		name := f.tokenFile
		if name == "" {
			name = "-"
		}
		b, err := c.secret(name)
		if err != nil {
			return as, err
		}
		as.Token = strings.TrimSpace(string(b))
		if _, err := credential.ParseToken(as.Token); err != nil {
			return as, err
		}
	}
	if len(f.addrs) > 0 {
		as.Addresses = f.addrs
	}
	if len(as.Addresses) == 0 {
		return as, console.Usagef("--addr HOST:PORT is missing: the TCport of a node")
	}
	if f.authority != "" {
		as.Authorities = []string{strings.ToLower(f.authority)}
	}
	if f.name != "" {
		as.Name = f.name
	}
	if as.Name == "" {
		as.Name = as.Addresses[0]
	}
	return as, as.Check()
}

// maxSecret is the length of what is read as a secret.
const maxSecret = 64 << 10

// whole reads a file that only its owner may read, to its end; - is stdin.
func (c commands) whole(name string) ([]byte, error) {
	if name != "-" {
		return credential.ReadSecret(name)
	}
	return io.ReadAll(io.LimitReader(c.In, maxSecret))
}

// secret reads a file that only its owner may read; - is stdin.
func (c commands) secret(name string) ([]byte, error) {
	if name != "-" {
		return credential.ReadSecret(name)
	}
	if f, ok := c.In.(*os.File); ok && c.IsTerminal(c.In) {
		fmt.Fprint(c.Err, "Token: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.Err)
		return b, err
	}
	line, err := bufio.NewReader(io.LimitReader(c.In, maxSecret)).ReadString('\n')
	if errors.Is(err, io.EOF) && strings.TrimSpace(line) != "" {
		err = nil
	}
	if errors.Is(err, io.EOF) {
		return nil, console.Usagef("no token is on stdin")
	}
	return []byte(line), err
}

// signer is the authority, as it signed itself, of the first certificate of a chain; that
// one where the authority is not shown.
func signer(chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain[1:] {
		if chain[0].CheckSignatureFrom(c) == nil && c.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return chain[0]
}

// authority is that of a context for the node's cluster, or what the user accepts.
func (c commands) authority(path, addr string, timeout time.Duration) ([]string, error) {
	chain, err := client.Shows(addr, timeout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w at %s: is it running?", client.ErrNobody, addr)
	case chain == nil:
		return nil, fmt.Errorf("what answers at %s speaks in the clear: a cluster made with --insecure asks for no login", addr)
	}
	all, err := contexts.Load(path)
	if err != nil {
		return nil, err
	}
	for _, known := range all.Contexts {
		if credential.Verify(chain, known.Authorities) == nil {
			return known.Authorities, nil
		}
	}
	shown := credential.Fingerprint(signer(chain).Raw)
	if !c.IsTerminal(c.In) {
		return nil, fmt.Errorf("the authority of the node at %s is not known here: compare its fingerprint with that of sipcluster ca show, and say --ca-sha256 %s", addr, shown)
	}
	fmt.Fprintf(c.Err, "The node at %s shows an authority with the fingerprint\n  %s\nIs it that of sipcluster ca show? [y/N] ", addr, shown)
	answer, _ := bufio.NewReader(c.In).ReadString('\n')
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return nil, errors.New("not accepted: nothing was sent")
	}
	return []string{shown}, nil
}
