package cluster

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// The JSON of an invite; the line is only in that of node invite.
type inviteJSON struct {
	ID      string    `json:"id"`
	Node    string    `json:"node"`
	Expires time.Time `json:"expires"`
	Line    string    `json:"line,omitempty"`
}

func newInviteJSON(i *configpb.Invite) inviteJSON {
	return inviteJSON{ID: i.GetId(), Node: i.GetNodeName(), Expires: time.UnixMilli(int64(i.GetExpiresMs())).UTC()}
}

func (c commands) nodeInviteCommand() *cobra.Command {
	var expires time.Duration
	var list bool
	var revoke string
	cmd := c.Into(c.Reading(&cobra.Command{
		Use: "invite [NAME]", Short: "Print the line by which one node joins; needs a quorum", Args: cobra.MaximumNArgs(1),
		Long: `Print the line by which one node joins the cluster, once. Keep it in a file that only
its owner can read, and give that to the new node: server --join HOST:PORT
--invite-file FILE. Whoever has the line can join with it until it is used, revoked, or has
expired; with NAME only a node of that name can.`,
		Example: `  sipcluster node invite sip2 > sip2.invite
  sipcluster node invite --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if expires < time.Second {
				return console.Usagef("--expires %v: want 1s or more", expires)
			}
			if (list || revoke != "") && len(args) > 0 || list && revoke != "" {
				return console.Usagef("want a NAME, --list, or --revoke ID")
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			switch {
			case list:
				err = c.listInvites(cmd, cl)
			case revoke != "":
				err = client.Change(cmd.Context(), cl, cl.Access.RevokeInvite, &configpb.RevokeInviteRequest{Id: revoke})
			default:
				req := &configpb.CreateInviteRequest{LifetimeS: uint64(expires / time.Second)}
				if len(args) > 0 {
					req.NodeName = args[0]
				}
				err = c.invite(cmd, cl, req)
			}
			return console.Doing("node invite", err)
		},
	}))
	f := cmd.Flags()
	f.DurationVar(&expires, "expires", 24*time.Hour, "how long it can be used")
	f.BoolVar(&list, "list", false, "list the invites that nobody has used")
	f.StringVar(&revoke, "revoke", "", "revoke the invite with that `ID`")
	return cmd
}

func (c commands) invite(cmd *cobra.Command, cl *client.Client, req *configpb.CreateInviteRequest) error {
	if err := c.OwnerOnly(true); err != nil {
		return err
	}
	made, err := client.Unary(cmd.Context(), cl, cl.Access.CreateInvite, req)
	if err != nil {
		return err
	}
	if c.JSON() {
		j := newInviteJSON(made.GetInvite())
		j.Line = made.GetLine()
		return console.Encode(c.Out, j)
	}
	_, err = fmt.Fprintln(c.Out, made.GetLine())
	return err
}

func (c commands) listInvites(cmd *cobra.Command, cl *client.Client) error {
	all, err := client.Unary(cmd.Context(), cl, cl.Access.ListInvites, &configpb.ListInvitesRequest{})
	if err != nil {
		return err
	}
	t, a := &console.Table{Head: []string{"ID", "NODE", "EXPIRES"}}, console.NewJSONArray(c.Out)
	for _, i := range all.GetInvites() {
		j := newInviteJSON(i)
		if c.JSON() {
			if err := a.Add(j); err != nil {
				return err
			}
			continue
		}
		t.Add(console.Text(j.ID), console.Text(console.Dash(j.Node)), console.Text(j.Expires.Format(time.RFC3339)))
	}
	if c.JSON() {
		return a.End()
	}
	return c.Print(t)
}

func (c commands) nodeRekeyCommand() *cobra.Command {
	return c.Asking(&cobra.Command{
		Use: "rekey", Short: "Have the node that is asked change its key; needs a quorum", Args: cobra.NoArgs,
		Long: `Have the node at --addr make a new key. It stands in the roster beside the old one
until every node that is heard knows it; then the node uses it, and the old one counts no more.
Do so when somebody may have seen the node's data directory.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			r, err := client.Unary(cmd.Context(), cl, cl.Access.RekeyNode, &configpb.RekeyNodeRequest{})
			if err != nil {
				return console.Doing("node rekey", err)
			}
			_, err = fmt.Fprintf(c.Out, "the next key is %.16s..., used as soon as the others know it\n", r.GetKeySha256())
			return err
		},
	})
}

func (c commands) nodeDistrustCommand() *cobra.Command {
	var here bool
	cmd := c.Asking(&cobra.Command{
		Use: "distrust NAME --here", Short: "Have the node that is asked refuse another one, at once and without a quorum", Args: cobra.ExactArgs(1),
		Long: `Have the node at --addr refuse another one from now on: its connections end, and it
is not heard. That needs no quorum, and counts at the node that is asked alone; say it at each
that can be reached. The node is removed from the cluster as soon as that is possible. With
a quorum use node remove.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !here {
				return console.Usagef("--here is missing: only this node will refuse %s; with a quorum use node remove", args[0])
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			err = client.Change(cmd.Context(), cl, cl.Access.DistrustNode, &configpb.DistrustNodeRequest{Name: args[0]})
			if err != nil {
				return console.Doing("node distrust "+args[0], err)
			}
			_, err = fmt.Fprintf(c.Out, "node %s is refused here\n", args[0])
			return err
		},
	})
	cmd.Flags().BoolVar(&here, "here", false, "at the node that is asked alone")
	return cmd
}
