package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// The JSON of audit, a line for each entry; names and order are a contract.
type auditJSON struct {
	Index     uint64   `json:"index"`
	Time      string   `json:"time"`
	Token     string   `json:"token"`
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	Source    string   `json:"source"`
	Node      string   `json:"node"`
	RequestID string   `json:"request_id"`
	Changes   []string `json:"changes"`
	Mutations uint32   `json:"mutations"`
	Refused   string   `json:"refused"`
}

// AuditCommand is audit.
func AuditCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	req := &configpb.AuditRequest{}
	cmd := c.Reading(&cobra.Command{
		Use: "audit", Short: "Show who changed what in the configuration, the last 10,000 commands", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			return console.Doing("audit", c.audit(cmd.Context(), cl, req))
		},
	})
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on with what comes, until Ctrl-C")
	cmd.Flags().Uint64Var(&req.After, "after", 0, "only what is behind this `INDEX`")
	return cmd
}

func (c commands) audit(ctx context.Context, cl *client.Client, req *configpb.AuditRequest) error {
	stream, err := cl.Access.Audit(ctx, req)
	for err == nil {
		var part *configpb.AuditResponse
		if part, err = stream.Recv(); err != nil {
			break
		}
		for _, e := range part.GetEntries() {
			if err := c.printEntry(e); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) || req.GetFollow() && client.Interrupted(ctx) {
		return nil
	}
	return cl.Explain(err)
}

func (c commands) printEntry(e *configpb.AuditEntry) error {
	a := e.GetActor()
	if c.JSON() {
		return console.Encode(c.Out, auditJSON{
			e.GetIndex(), moment(e.GetTimeMs()), a.GetToken(), a.GetName(), configpb.RoleName(a.GetRole()), a.GetSource(), a.GetNode(),
			e.GetRequestId(), append([]string{}, e.GetChanges()...), e.GetMutations(), e.GetRefused(),
		})
	}
	what := strings.Join(e.GetChanges(), ", ")
	if more := int(e.GetMutations()) - len(e.GetChanges()); more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	if e.GetRefused() != "" {
		what += console.Paint(console.Tinted("  refused: "+e.GetRefused(), console.Red), c.Colour())
	}
	_, err := fmt.Fprintf(c.Out, "%d  %s  %s: %s\n", e.GetIndex(), moment(e.GetTimeMs()), configpb.Who(a, "node "+a.GetNode()), console.OneLine(what))
	return err
}
