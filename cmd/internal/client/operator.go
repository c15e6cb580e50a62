package client

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// Operator is who asks a node: the node's address, and how long to wait.
type Operator struct {
	*console.Console
	// Addrs are tried in order; none: what the context says.
	Addrs []string
	// Context that was asked for, "" for none.
	Context string
	Timeout time.Duration
	// Machine is the file of a context that a node on this machine left; "": where its
	// package keeps its data.
	Machine string
}

// Connect prepares a client of the node that was asked for.
func (c *Operator) Connect() (*Client, error) { return c.ConnectAt(c.Addrs...) }

// ConnectAt prepares a client of a node at another address.
func (c *Operator) ConnectAt(addrs ...string) (*Client, error) {
	if err := checkAddrs(addrs); err != nil {
		return nil, err
	}
	t, err := c.Target(addrs...)
	if err != nil {
		return nil, err
	}
	return ConnectTo(t, c.Timeout)
}

// Asking adds the flags that every command has which talks to a node.
func (c *Operator) Asking(cmd *cobra.Command) *cobra.Command {
	var addrs []string
	if addr := c.Getenv("SIPCLUSTER_ADDR"); addr != "" {
		addrs = strings.Split(addr, ",")
	}
	f := cmd.Flags()
	f.StringSliceVar(&c.Addrs, "addr", addrs, "TCport of the node to talk to, `HOST:PORT`, repeatable: tried in turn; default: those of the context, else 127.0.0.1:7001; environment SIPCLUSTER_ADDR")
	f.StringVar(&c.Context, "context", c.Getenv("SIPCLUSTER_CONTEXT"), "`NAME` of the context to use (context list); default: the one that lists --addr, else the current one; environment SIPCLUSTER_CONTEXT")
	f.DurationVar(&c.Timeout, "timeout", 5*time.Second, "how long to wait for a node's answer")
	return cmd
}

// Reading is Asking with a choice of output.
func (c *Operator) Reading(cmd *cobra.Command) *cobra.Command {
	return c.Choose(c.Asking(cmd))
}
