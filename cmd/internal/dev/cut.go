package dev

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func (c commands) devCutCommand(state *string) *cobra.Command {
	return &cobra.Command{
		Use: "cut A [B]", Short: "Cut the link between two nodes or sites; one name alone: from all others", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeLinks(cmd.Context(), *state, args, true)
		},
	}
}

func (c commands) devHealCommand(state *string) *cobra.Command {
	return &cobra.Command{
		Use: "heal [A [B]]", Short: "Heal the link between two nodes or sites; without names: every link", Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeLinks(cmd.Context(), *state, args, false)
		},
	}
}

func (c commands) changeLinks(ctx context.Context, path string, names []string, cut bool) error {
	word := "heal"
	if cut {
		word = "cut"
	}
	s, err := loadState(path)
	if err != nil {
		return fmt.Errorf("dev %s: %w", word, err)
	}
	pairs, err := s.pairs(names)
	if err != nil {
		return fmt.Errorf("dev %s: %w", word, err)
	}
	changed := s.change(pairs, cut)
	if err := s.apply(ctx, pairs); err != nil {
		return fmt.Errorf("dev %s: %w", word, err)
	}
	if err := s.save(); err != nil {
		return err
	}
	c.reportLinks(s, changed, cut)
	return nil
}

// apply tells each node of the pairs whom it is cut from now.
func (s *devState) apply(ctx context.Context, pairs [][2]string) error {
	for _, n := range s.Nodes {
		if !slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] == n.Name || p[1] == n.Name }) {
			continue
		}
		if err := s.setCut(ctx, n, s.cutOff(n.Name)); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

func (s *devState) setCut(ctx context.Context, n devNode, others []string) error {
	cl, err := connect(s.As, n.TCAddr, 2*time.Second)
	if err != nil {
		return err
	}
	defer cl.Close()
	return client.Change(ctx, cl, peerpb.NewFabricClient(cl.Conn).SetCut, &peerpb.SetCutRequest{Nodes: others})
}

func (c commands) reportLinks(s *devState, pairs [][2]string, cut bool) {
	if len(pairs) == 0 {
		fmt.Fprintln(c.Out, "nothing to change")
	}
	for _, p := range pairs {
		fmt.Fprintf(c.Out, "%s: %s - %s\n", map[bool]string{true: "cut", false: "healed"}[cut], p[0], p[1])
	}
	if !cut {
		if len(s.Cuts) == 0 {
			fmt.Fprintln(c.Out, "every link is up")
		}
		return
	}
	for _, n := range s.Nodes {
		if slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] == n.Name || p[1] == n.Name }) {
			fmt.Fprintf(c.Out, "  see %s's side:  sipcluster dn list --addr %s\n", n.Name, quoted(n.TCAddr))
		}
	}
	fmt.Fprintln(c.Out, "  heal:             sipcluster dev heal")
}
