package identity

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// TokenCommand is token and what it holds.
func TokenCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("token", "Who may do what: create, list and revoke tokens")
	cmd.AddCommand(c.createCommand(), c.listCommand(), c.revokeCommand())
	return cmd
}

// createFlags are the choices of token create.
type createFlags struct {
	role, certificate, contextFile     string
	expires                            time.Duration
	points, groups, prefixes, external []string
}

func (c commands) createCommand() *cobra.Command {
	var f createFlags
	cmd := c.Into(c.Reading(&cobra.Command{
		Use: "create NAME --role ROLE", Short: "Create a token and print its secret, once", Args: cobra.ExactArgs(1),
		Long: `Create a token for a client of the cluster and print it: it is shown once and can't
be read again. Roles: admin; config (DNs and groups); operator (status, drain,
routing, agents, bans); router; stat (reading and watching); gateway (desktops);
metrics. The scope bounds what router and gateway reach; without it they reach all.

With --context-file the token is written, with what else a client needs, into a file
that "sipcluster login --file FILE" takes. With --certificate the client shows that
certificate instead of a secret.`,
		Example: `  sipcluster token create stat1 --role stat --expires 8760h
  sipcluster token create ivr --role router --routing-point 8000 --group sales --external-prefix +49`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := f.request(args[0])
			if err != nil {
				return err
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			return console.Doing("token create "+args[0], c.create(cmd.Context(), cl, req, f.contextFile))
		},
	}))
	flags := cmd.Flags()
	flags.StringVar(&f.role, "role", "", "`ROLE`: "+strings.Join(configpb.RoleNames(), ", "))
	flags.DurationVar(&f.expires, "expires", 0, "how long it is valid; default: until it is revoked")
	flags.StringSliceVar(&f.points, "routing-point", nil, "scope: `DN` of a routing point to take calls from, repeatable")
	flags.StringSliceVar(&f.groups, "group", nil, "scope: agent `GROUP` whose DNs are reserved and called, repeatable")
	flags.StringSliceVar(&f.prefixes, "dn-prefix", nil, "scope: first characters of the DNs to register, repeatable")
	flags.StringSliceVar(&f.external, "external-prefix", nil, "scope: first characters of the external numbers to call, repeatable")
	flags.StringVar(&f.certificate, "certificate", "", "PEM `FILE` with a client certificate to register instead of a secret")
	flags.StringVar(&f.contextFile, "context-file", "", "write a context with the token into `FILE`, and print no secret")
	return cmd
}

func (f *createFlags) request(name string) (*configpb.CreateTokenRequest, error) {
	role, known := configpb.ParseRole(f.role)
	switch {
	case !known:
		return nil, console.Usagef("--role %.40s: want one of %s", f.role, strings.Join(configpb.RoleNames(), ", "))
	case f.expires < 0 || f.expires > 0 && f.expires < time.Second:
		return nil, console.Usagef("--expires %v: want 1s or more", f.expires)
	case f.certificate != "" && f.contextFile != "":
		return nil, console.Usagef("--context-file is for a token with a secret")
	}
	req := &configpb.CreateTokenRequest{Name: name, Role: role, LifetimeS: uint64(f.expires / time.Second), Scope: &configpb.Scope{
		RoutingPoints: f.points, Groups: f.groups, DnPrefixes: f.prefixes, ExternalPrefixes: f.external,
	}}
	if f.certificate == "" {
		return req, nil
	}
	b, err := os.ReadFile(f.certificate)
	if err != nil {
		return nil, fmt.Errorf("--certificate: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, console.Usagef("--certificate %s: no certificate (PEM) is in it", f.certificate)
	}
	req.Certificate = block.Bytes
	return req, nil
}

func (c commands) create(ctx context.Context, cl *client.Client, req *configpb.CreateTokenRequest, file string) error {
	if err := c.OwnerOnly(file == "" && len(req.GetCertificate()) == 0); err != nil {
		return err
	}
	made, err := client.Unary(ctx, cl, cl.Access.CreateToken, req)
	if err != nil {
		return err
	}
	if file != "" {
		var members []string
		if roster, err := client.Unary(ctx, cl, cl.Config.ListNodes, &configpb.ListNodesRequest{}); err == nil { // the new role may not be told
			members = client.TCports(roster)
		}
		if err := writeContext(file, cl.As, members, made); err != nil {
			return fmt.Errorf("the token %s was created, but not written (revoke it): %w", made.GetToken().GetId(), err)
		}
		made.Secret = ""
	}
	switch {
	case c.JSON():
		return console.Encode(c.Out, struct {
			tokenJSON
			Secret string `json:"secret"`
		}{newTokenJSON(made.GetToken()), made.GetSecret()})
	case file != "":
		_, err = fmt.Fprintf(c.Out, "token %s of %s is in %s: sipcluster login --file %s\n", made.GetToken().GetId(), req.GetName(), file, file)
	case made.GetSecret() == "":
		_, err = fmt.Fprintf(c.Out, "the certificate is token %s of %s\n", made.GetToken().GetId(), req.GetName())
	default:
		_, err = fmt.Fprintln(c.Out, made.GetSecret())
	}
	return err
}

// writeContext writes a context with the token, for another user, by the name of the token:
// who logs in as two of them has two contexts.
func writeContext(file string, as *credential.Context, members []string, made *configpb.CreateTokenResponse) error {
	if as == nil {
		return errors.New("nobody is asked in this cluster")
	}
	other := credential.Context{Name: made.GetToken().GetName(), Cluster: as.Cluster, Authorities: as.Authorities, Addresses: client.Further(as.Addresses, members), Token: made.GetSecret()}
	b, err := other.Encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Clean(file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func (c commands) listCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "list", Short: "List the tokens, without their secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			all, err := client.Unary(cmd.Context(), cl, cl.Access.ListTokens, &configpb.ListTokensRequest{})
			if err != nil {
				return console.Doing("token list", err)
			}
			return c.printTokens(all.GetTokens())
		},
	})
}

func (c commands) printTokens(tokens []*configpb.Token) error {
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, t := range tokens {
			if err := a.Add(newTokenJSON(t)); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"ID", "NAME", "ROLE", "EXPIRES", "SCOPE"}}
	for _, k := range tokens {
		expires := console.Text(never(k.GetExpiresMs()))
		if ms := k.GetExpiresMs(); ms != 0 && ms <= uint64(c.Now().UnixMilli()) {
			expires.Tint = console.Red
		}
		t.Add(console.Text(k.GetId()), console.Text(k.GetName()), console.Text(configpb.RoleName(k.GetRole())), expires, console.Text(scopeWords(k.GetScope())))
	}
	return c.Print(t)
}

func (c commands) revokeCommand() *cobra.Command {
	var here bool
	cmd := c.Asking(&cobra.Command{
		Use: "revoke ID|NAME", Short: "Revoke a token: what it is used for ends", Args: cobra.ExactArgs(1),
		Long: `Revoke a token, by its id or by its name if one token alone has that. What it is used for
ends within a second at every node that hears the leader. That needs a quorum;
with --here the asked node refuses it at once by itself, and it is revoked in the
cluster as soon as that is possible.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			id, err := tokenID(cmd.Context(), cl, args[0])
			if err == nil {
				err = client.Change(cmd.Context(), cl, cl.Access.RevokeToken, &configpb.RevokeTokenRequest{Id: id, Here: here})
			}
			if err != nil {
				return console.Doing("token revoke "+args[0], err)
			}
			where := ""
			if here {
				where = " at this node"
			}
			_, err = fmt.Fprintf(c.Out, "token %s revoked%s\n", id, where)
			return err
		},
	})
	cmd.Flags().BoolVar(&here, "here", false, "at the asked node, without a quorum")
	return cmd
}

// tokenID is the id that a name means, or the id itself.
func tokenID(ctx context.Context, cl *client.Client, name string) (string, error) {
	all, err := client.Unary(ctx, cl, cl.Access.ListTokens, &configpb.ListTokensRequest{})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, t := range all.GetTokens() {
		if t.GetId() == name {
			return name, nil
		}
		if t.GetName() == name {
			ids = append(ids, t.GetId())
		}
	}
	switch len(ids) {
	case 0:
		return "", errors.New("there is no such token: sipcluster token list")
	case 1:
		return ids[0], nil
	}
	return "", fmt.Errorf("%d tokens have that name, say which by its id: %s", len(ids), strings.Join(ids, ", "))
}
