package cluster

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// AuthorityCommand is ca and what it holds.
func AuthorityCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("ca", "The authority that signs the nodes' certificates")
	cmd.AddCommand(c.caShowCommand(), c.caRotateCommand())
	return cmd
}

// KeyringCommand is keyring and what it holds.
func KeyringCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("keyring", "The keys that all nodes share: of the gossip, and of routes")
	cmd.AddCommand(c.keyringListCommand(), c.keyringRotateCommand())
	return cmd
}

// The JSON of ca show.
type authorityJSON struct {
	SHA256      string    `json:"sha256"`
	Expires     time.Time `json:"expires"`
	Certificate string    `json:"certificate"`
}

type certificateJSON struct {
	Node      string     `json:"node"`
	Authority string     `json:"authority"`
	Expires   *time.Time `json:"expires"`
}

func (c commands) caShowCommand() *cobra.Command {
	var certificates bool
	cmd := c.Into(c.Reading(&cobra.Command{
		Use: "show", Short: "Show the authority, and what each node has of it", Args: cobra.NoArgs,
		Long: `Show the authority that signs the nodes' certificates, those that are trusted beside
it, and what each node has. With --pem only their certificates are printed, for
programs that believe a node by a file of authorities, such as Prometheus; the name in
a node's certificate is NAME.node.sipcluster.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := client.Unary(cmd.Context(), cl, cl.Access.ShowAuthority, &configpb.ShowAuthorityRequest{})
			if err != nil {
				return console.Doing("ca show", err)
			}
			if certificates {
				return c.printAuthorities(r)
			}
			return c.showAuthority(r)
		},
	}))
	cmd.Flags().BoolVar(&certificates, "pem", false, "print the authorities' certificates alone")
	return cmd
}

func (c commands) printAuthorities(r *configpb.ShowAuthorityResponse) error {
	for _, a := range r.GetAuthorities() {
		if _, err := fmt.Fprintln(c.Out, strings.TrimSpace(a.GetCertificate())); err != nil {
			return err
		}
	}
	return nil
}

func (c commands) showAuthority(r *configpb.ShowAuthorityResponse) error {
	var shown struct {
		Authorities []authorityJSON   `json:"authorities"`
		Nodes       []certificateJSON `json:"nodes"`
	}
	t := &console.Table{Head: []string{"NODE", "AUTHORITY", "EXPIRES"}}
	for i, a := range r.GetAuthorities() {
		j := authorityJSON{a.GetSha256(), time.UnixMilli(int64(a.GetExpiresMs())).UTC(), a.GetCertificate()}
		shown.Authorities = append(shown.Authorities, j)
		t.Add(console.Text(map[bool]string{true: "(signs)", false: "(trusted)"}[i == 0]), console.Text(j.SHA256), console.Text(j.Expires.Format(time.RFC3339)))
	}
	for _, n := range r.GetNodes() {
		j := certificateJSON{Node: n.GetNode(), Authority: n.GetAuthoritySha256()}
		expires := "did not answer"
		if ms := n.GetExpiresMs(); ms > 0 {
			at := time.UnixMilli(int64(ms)).UTC()
			j.Expires, expires = &at, at.Format(time.RFC3339)
		}
		shown.Nodes = append(shown.Nodes, j)
		t.Add(console.Text(j.Node), console.Text(console.Dash(j.Authority)), console.Text(expires))
	}
	if c.JSON() {
		return console.Encode(c.Out, shown)
	}
	return c.Print(t)
}

func (c commands) caRotateCommand() *cobra.Command {
	var force bool
	cmd := c.Asking(&cobra.Command{
		Use: "rotate", Short: "Replace the authority; needs a quorum", Args: cobra.NoArgs,
		Long: `Make a new authority. All nodes come to trust it beside the old one, then renew
their certificates by themselves, and the old one leaves when every node has; nobody is cut
off meanwhile. Say it again to see who has not. --force has the old one leave now: a node that
has not renewed finds its way back by its key.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := client.Unary(cmd.Context(), cl, cl.Access.RotateAuthority, &configpb.RotateAuthorityRequest{Force: force})
			if err != nil {
				return console.Doing("ca rotate", err)
			}
			text := "every node has a certificate of the new authority"
			if waiting := r.GetWaitingFor(); len(waiting) > 0 {
				text = "these nodes renew their certificates: " + strings.Join(waiting, ", ")
			}
			_, err = fmt.Fprintln(c.Out, text)
			return err
		},
	})
	cmd.Flags().BoolVar(&force, "force", false, "drop the old authority now, whoever has not renewed")
	return cmd
}

// The JSON of keyring list.
type keyJSON struct {
	Ring    string    `json:"ring"`
	ID      uint32    `json:"id"`
	Made    time.Time `json:"made"`
	Primary bool      `json:"primary"`
}

func (c commands) keyringListCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "list", Short: "List the keys of both rings, without the keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := client.Unary(cmd.Context(), cl, cl.Access.ListKeys, &configpb.ListKeysRequest{})
			if err != nil {
				return console.Doing("keyring list", err)
			}
			return c.listKeys(r)
		},
	})
}

func (c commands) listKeys(r *configpb.ListKeysResponse) error {
	var all []keyJSON
	for _, k := range r.GetGossip() {
		all = append(all, keyJSON{"gossip", k.GetId(), time.UnixMilli(int64(k.GetMadeMs())).UTC(), k.GetPrimary()})
	}
	for _, k := range r.GetRoutes() {
		all = append(all, keyJSON{"routes", k.GetId(), time.UnixMilli(int64(k.GetMadeMs())).UTC(), k.GetPrimary()})
	}
	if c.JSON() {
		return console.Encode(c.Out, all)
	}
	t := &console.Table{Head: []string{"RING", "KEY", "MADE", "USE"}}
	for _, k := range all {
		t.Add(console.Text(k.Ring), console.Text(fmt.Sprint(k.ID)), console.Text(k.Made.Format(time.RFC3339)), console.Text(map[bool]string{true: "sends", false: "understood"}[k.Primary]))
	}
	return c.Print(t)
}

func (c commands) keyringRotateCommand() *cobra.Command {
	return c.Asking(&cobra.Command{
		Use: "rotate", Short: "Replace the keys of both rings; needs a quorum", Args: cobra.NoArgs,
		Long: `Make a new key for the gossip and one for routes. Each is installed everywhere, then
used, then the old one leaves; that of routes after 25 hours, since what it signed is in the
phones for a day. Nothing is lost meanwhile, and the leader finishes it by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if err := client.Change(cmd.Context(), cl, cl.Access.RotateKeys, &configpb.RotateKeysRequest{}); err != nil {
				return console.Doing("keyring rotate", err)
			}
			_, err = fmt.Fprintln(c.Out, "the keys of both rings are being replaced: see keyring list")
			return err
		},
	})
}
