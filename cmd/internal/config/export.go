package config

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// ExportCommand is export.
func ExportCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var noSecrets, linearizable bool
	cmd := c.Asking(&cobra.Command{
		Use: "export", Short: "Print the whole configuration as YAML, for apply", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if err := c.OwnerOnly(!noSecrets); err != nil {
				return fmt.Errorf("export: %w, or leave the secrets out (--no-secrets)", err)
			}
			req := &configpb.ExportRequest{Secrets: !noSecrets, Linearizable: linearizable}
			return console.Doing("export", Export(cmd.Context(), cl, req, c.Out))
		},
	})
	cmd.Flags().BoolVar(&noSecrets, "no-secrets", false, "leave ha1 out: safe to share, but apply can't restore the credentials from it")
	cmd.Flags().BoolVar(&linearizable, "linearizable", false, "include every write acknowledged before; needs a quorum")
	return cmd
}

// Export writes the configuration as YAML.
func Export(ctx context.Context, cl *client.Client, req *configpb.ExportRequest, w io.Writer) error {
	out := bufio.NewWriter(w)
	e := exporter{out: out, secrets: req.GetSecrets()}
	if err := cl.Export(ctx, req, e.write); err != nil {
		return err
	}
	return out.Flush()
}

// exporter writes the text.
type exporter struct {
	out     io.Writer
	secrets bool
	// section is the key that was written last.
	section string
}

const (
	headSecret = `# The configuration of a sipcluster; "sipcluster apply -f FILE" brings it back.
# WARNING: each ha1 is worth as much as the phone's password. Keep this file as you keep passwords.
`
	headPlain = `# The configuration of a sipcluster, without credentials: "sipcluster apply -f FILE"
# keeps the credentials of DNs that exist, and can't create sip DNs.
`
)

func (e *exporter) write(part *configpb.ExportResponse) error {
	if e.section == "" {
		head := headPlain
		if e.secrets {
			head = headSecret
		}
		e.section = "head"
		if _, err := io.WriteString(e.out, head); err != nil {
			return err
		}
	}
	if part.Options != nil {
		if err := writeYAML(e.out, "", Document{Options: newOptionsDoc(part.Options)}); err != nil {
			return err
		}
	}
	if err := e.nodes(part.Nodes); err != nil {
		return err
	}
	if err := section(e, "groups", part.Groups, func(g *configpb.AgentGroup) Group { return Group{g.Name, g.LoginRequired, newPolicyDoc(g.Policy)} }); err != nil {
		return err
	}
	return section(e, "dns", part.Dns, newDNDoc)
}

// nodes are comments: apply has no say in who belongs to the cluster.
func (e *exporter) nodes(nodes []*configpb.Node) error {
	for _, n := range nodes {
		if e.section != "nodes" {
			e.section = "nodes"
			fmt.Fprintln(e.out, "# Nodes, for information only: server --join adds one, node remove removes one.")
		}
		if _, err := fmt.Fprintf(e.out, "#   %s at %s, SIP %s, TCport %s\n", n.Name, n.Site, n.SipAddr, n.TcAddr); err != nil {
			return err
		}
	}
	return nil
}

func section[T, D any](e *exporter, name string, parts []T, doc func(T) D) error {
	if len(parts) == 0 {
		return nil
	}
	if e.section != name {
		e.section = name
		if _, err := fmt.Fprintf(e.out, "%s:\n", name); err != nil {
			return err
		}
	}
	docs := make([]D, len(parts))
	for i, p := range parts {
		docs[i] = doc(p)
	}
	return writeYAML(e.out, "  ", docs)
}
