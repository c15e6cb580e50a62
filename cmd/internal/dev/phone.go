package dev

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

func (c commands) devPhoneCommand(state *string) *cobra.Command {
	var node, password string
	cmd := &cobra.Command{
		Use: "phone NUMBER", Short: "Register a built-in phone at a dev node, until Ctrl-C", Args: cobra.ExactArgs(1),
		Long: `Register a built-in SIP phone over UDP at a node of the dev cluster and keep it
registered until Ctrl-C, which unregisters it. No softphone is needed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadState(*state)
			if err != nil {
				return fmt.Errorf("dev phone: %w", err)
			}
			if password == "" {
				password = demoPassword(args[0])
			}
			if err := c.phone(cmd.Context(), s, node, args[0], password); err != nil {
				return fmt.Errorf("dev phone %s: %w", args[0], err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&node, "node", "sip1", "`NODE` to register at")
	cmd.Flags().StringVar(&password, "password", "", "the phone's `PASSWORD`; default: the one sipcluster dev gave the DN")
	return cmd
}

// phone keeps a phone registered until the context ends.
func (c commands) phone(ctx context.Context, s *devState, name, number, password string) error {
	n, err := s.node(name)
	if err != nil {
		return err
	}
	cl, err := connect(s.As, n.TCAddr, 5*time.Second)
	if err != nil {
		return err
	}
	defer cl.Close()
	realm, err := cl.Realm(ctx)
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(n.SIPAddr)
	if err != nil {
		return err
	}
	p, err := siptest.NewPhone(siptest.Config{DN: number, Password: password, Domain: realm, Server: n.SIPAddr, Local: host})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := registered(p.Register(ctx, phoneExpires)); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s is registered at %s (%s); Ctrl-C unregisters it\n", number, n.Name, n.SIPAddr)
	if err := p.Stay(ctx, phoneExpires); ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return registered(p.Unregister(last))
}

const phoneExpires = 2 * time.Minute

// registered makes an error of every answer but 200.
func registered(res *siptest.Response, err error) error {
	switch {
	case err != nil:
		return err
	case res.Code != 200:
		return fmt.Errorf("the node answered REGISTER with %d %s", res.Code, res.Reason)
	}
	return nil
}

func (s *devState) node(name string) (devNode, error) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return devNode{}, console.Usagef("unknown node %s: want one of %s", name, strings.Join(s.all(), ", "))
}
