package identity

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// ContextCommand is context and what it holds.
func ContextCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("context", "The clusters that this user knows, and as whom")
	cmd.AddCommand(c.contextListCommand(), c.contextUseCommand(), c.contextRemoveCommand())
	return cmd
}

// The JSON of context list; names and order are a contract.
type contextJSON struct {
	Name      string   `json:"name"`
	Current   bool     `json:"current"`
	Cluster   string   `json:"cluster"`
	Addresses []string `json:"addresses"`
	Authority []string `json:"ca_sha256"`
}

func (c commands) contextListCommand() *cobra.Command {
	return c.Choose(&cobra.Command{
		Use: "list", Short: "List the contexts, without their secrets", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path, err := contexts.Path(c.Getenv)
			if err != nil {
				return err
			}
			f, err := contexts.Load(path)
			if err != nil {
				return err
			}
			return c.printContexts(f)
		},
	})
}

func (c commands) printContexts(f *contexts.File) error {
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, x := range f.Contexts {
			if err := a.Add(contextJSON{x.Name, x.Name == f.Current, x.Cluster, append([]string{}, x.Addresses...), append([]string{}, x.Authorities...)}); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"", "NAME", "CLUSTER", "ADDRESSES"}}
	for _, x := range f.Contexts {
		mark := ""
		if x.Name == f.Current {
			mark = "*"
		}
		t.Add(console.Text(mark), console.Text(console.Clean(x.Name)), console.Text(console.Dash(console.Clean(x.Cluster))), console.Text(console.Clean(strings.Join(x.Addresses, ", "))))
	}
	return c.Print(t)
}

func (c commands) contextUseCommand() *cobra.Command {
	return c.contextChange("use NAME", "Use a context when nothing else is said", "in use", func(f *contexts.File, name string) bool {
		if f.Find(name) == nil {
			return false
		}
		f.Current = name
		return true
	})
}

func (c commands) contextRemoveCommand() *cobra.Command {
	return c.contextChange("remove NAME", "Forget a context; its token stays valid until it is revoked", "removed", (*contexts.File).Remove)
}

func (c commands) contextChange(use, short, done string, change func(*contexts.File, string) bool) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := contexts.Path(c.Getenv)
			if err != nil {
				return err
			}
			err = contexts.Change(path, func(f *contexts.File) error {
				if !change(f, args[0]) {
					return console.Usagef("no context is called %s: sipcluster context list", args[0])
				}
				return nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "context %s %s\n", args[0], done)
			return err
		},
	}
}
