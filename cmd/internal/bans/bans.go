// Package bans has the commands about whom a node does not answer, because too many
// wrong passwords came from there.
package bans

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

type commands struct{ *client.Operator }

// Command is "bans".
func Command(o *client.Operator) *cobra.Command {
	c := commands{o}
	cmd := console.Group("bans", "Whom a node does not answer, after too many wrong passwords")
	cmd.AddCommand(c.listCommand(), c.clearCommand())
	return cmd
}

// banJSON is a ban; names and order are a contract.
type banJSON struct {
	Source   string `json:"source"`
	DN       string `json:"dn"`
	Failures uint32 `json:"failures"`
	Until    string `json:"until"`
}

func (c commands) listCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "list", Short: "List the sources that the asked node does not answer, and about which DN", Args: cobra.NoArgs,
		Long: `List the sources that the asked node does not answer, and about which DN. After 10
wrong passwords for a DN the node is silent to their source about that DN for 60 s,
and after each further one for twice as long, up to an hour; all other sources go on.
Without a DN it is a source that tried passwords of several: it is not answered about
those that are not registered from there.

Each node has its own. With -o json an array of {"source","dn","failures","until"}`,
		RunE: func(cmd *cobra.Command, _ []string) error { return console.Doing("bans list", c.list(cmd.Context())) },
	})
}

func (c commands) list(ctx context.Context) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, configpb.NewAccessClient(cl.Conn).ListBans, &configpb.ListBansRequest{})
	if err != nil {
		return err
	}
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, b := range r.GetBans() {
			if err := a.Add(banJSON{b.GetSource(), b.GetDn(), b.GetFailures(), until(b).UTC().Format(time.RFC3339Nano)}); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"SOURCE", "DN", "FAILURES", "LEFT"}, Right: map[int]bool{2: true}}
	for _, b := range r.GetBans() {
		t.Add(console.Text(b.GetSource()), console.Text(console.Dash(b.GetDn())), console.Text(strconv.Itoa(int(b.GetFailures()))), console.Text(view.Span(max(until(b).Sub(c.Now()), 0))))
	}
	return c.Print(t)
}

func until(b *configpb.Ban) time.Time { return time.UnixMilli(int64(b.GetUntilMs())) }

func (c commands) clearCommand() *cobra.Command {
	r := &configpb.ClearBansRequest{}
	cmd := c.Asking(&cobra.Command{
		Use: "clear", Short: "Have the asked node answer again, and forget the wrong passwords", Args: cobra.NoArgs,
		Long: `Have the asked node answer again, and forget the wrong passwords: those of a
source, of a DN, or of both. Without either, all.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Doing("bans clear", c.clear(cmd.Context(), r))
		},
	})
	cmd.Flags().StringVar(&r.Source, "source", "", "`ADDRESS` that they came from")
	cmd.Flags().StringVar(&r.Dn, "dn", "", "`DN` that they were for")
	return cmd
}

func (c commands) clear(ctx context.Context, r *configpb.ClearBansRequest) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	resp, err := client.Unary(ctx, cl, configpb.NewAccessClient(cl.Conn).ClearBans, r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%d cleared\n", resp.GetCleared())
	return err
}
