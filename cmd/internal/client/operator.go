package client

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// Operator is who asks a node: the node's address, and how long to wait.
type Operator struct {
	*console.Console
	Addr    string
	Timeout time.Duration
}

// Connect prepares a client of the node that was asked for.
func (c *Operator) Connect() (*Client, error) { return Connect(c.Addr, c.Timeout) }

// Asking adds the flags that every command has which talks to a node.
func (c *Operator) Asking(cmd *cobra.Command) *cobra.Command {
	addr := c.Getenv("SIPCLUSTER_ADDR")
	if addr == "" {
		addr = "127.0.0.1:7001"
	}
	f := cmd.Flags()
	f.StringVar(&c.Addr, "addr", addr, "TCport of the node to talk to, `HOST:PORT`; environment SIPCLUSTER_ADDR")
	f.DurationVar(&c.Timeout, "timeout", 5*time.Second, "how long to wait for a node's answer")
	return cmd
}

// Reading is Asking with a choice of output.
func (c *Operator) Reading(cmd *cobra.Command) *cobra.Command {
	c.Asking(cmd).Flags().StringVarP(&c.Format, "output", "o", "table", "`FORMAT`: table or json")
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.Format != "table" && c.Format != "json" {
			return console.Usagef("-o %s: want table or json", c.Format)
		}
		return check(cmd, args)
	}
	return cmd
}
