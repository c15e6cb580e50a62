// Package support is the commands for whoever helps from afar: they put together what is
// to be known of a cluster, without its secrets.
package support

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// Command is support and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("support", "What somebody needs who helps from afar")
	cmd.AddCommand(c.bundleCommand())
	return cmd
}

func (c commands) bundleCommand() *cobra.Command {
	var file string
	cmd := c.Asking(&cobra.Command{
		Use: "bundle", Short: "Put what all nodes say of themselves into one file, without secrets", Args: cobra.NoArgs,
		Long: `Ask a node for what somebody needs who looks for a fault from afar, and put it into
one .tar.gz that only its owner may read: how each node sees the cluster, the last
lines of its log (1 MiB), its metrics, goroutines, program and settings, and the
configuration. No passwords, digests, tokens, invites and keys are in it; names,
numbers and addresses are. A node that gives no answer within 2 s is named in
manifest.json, and so is whatever is missing or was cut. Role admin.`,
		Example: `  sipcluster support bundle
  sipcluster support bundle -o /tmp/tuesday.tar.gz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Doing("support bundle", c.bundle(cmd.Context(), file))
		},
	})
	cmd.Flags().StringVarP(&file, "output", "o", "", "write `FILE`; - is standard output; default: sipcluster-TIME.tar.gz here")
	return cmd
}

func (c commands) bundle(ctx context.Context, file string) error {
	stem := "sipcluster-" + c.Now().UTC().Format("20060102T150405Z")
	if file == "" {
		file = stem + ".tar.gz"
	}
	if file == "-" {
		if c.IsTerminal(c.Out) {
			return console.Usagef("a bundle is no text for a terminal: -o FILE")
		}
		if err := c.OwnerOnly(true); err != nil {
			return err
		}
	}
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	b, err := c.collect(ctx, cl)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return b.write(w, stem, c.Now()) }
	if file == "-" {
		return write(c.Out)
	}
	if err := console.WriteFile(file, write); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s: %s\n", file, b.summary())
	return err
}

// summary says of which nodes something is in the bundle, and what is missing.
func (b *bundle) summary() string {
	var of, silent []string
	for _, n := range b.manifest.Nodes {
		if n.Error == "" {
			of = append(of, n.Node)
		} else {
			silent = append(silent, fmt.Sprintf("%s (%s)", n.Node, n.Error))
		}
	}
	s := "nodes " + strings.Join(of, ", ")
	if len(silent) > 0 {
		s += "; without " + strings.Join(silent, ", ")
	}
	for _, m := range b.manifest.Missing {
		s += fmt.Sprintf("; %s: %s", m.File, m.Error)
	}
	return s
}
