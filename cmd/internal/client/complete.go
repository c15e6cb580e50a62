package client

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// A shell that completes a word asks a node, which may take so long, and shows at most so
// many DNs.
const (
	completeTime = time.Second
	completeDNs  = 100
)

// completion are the words that may stand where word is begun.
type completion func(ctx context.Context, cl *Client, word string) []string

// Complete has shells complete what stands in the configuration: DNs, nodes and groups,
// and the words that flags take, for every command below root.
func (c *Operator) Complete(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		c.Complete(cmd)
		if cmd.Flags().Lookup("addr") == nil {
			continue
		}
		for name, words := range map[string]completion{"group": groups, "owner": nodes, "to": dns} {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, c.completing(words))
			}
		}
		for name, words := range map[string][]string{
			"output": {"table", "json", "yaml"}, "state": {"InSrv", "OOS"}, "kind": {"sip", "pstn", "routing-point", "trunk", "feature"},
		} {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		if words := argument(cmd); words != nil {
			cmd.ValidArgsFunction = c.completing(words)
		}
	}
}

// argument is what a command's arguments are.
func argument(cmd *cobra.Command) completion {
	switch _, args, _ := strings.Cut(cmd.Use, " "); strings.Trim(args, "[].") {
	case "NUMBER", "DN", "ROUTING-POINT":
		return dns
	case "GROUP":
		return groups
	case "NAME":
		if cmd.Parent().Name() == "node" {
			return nodes
		}
	}
	return nil
}

// completing asks a node, in vain where none answers.
func (c *Operator) completing(words completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		cl, err := c.Connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer cl.Close()
		return words(ctx, cl, word), cobra.ShellCompDirectiveNoFileComp
	}
}

func dns(ctx context.Context, cl *Client, word string) (list []string) {
	page, _, _ := cl.Page(ctx, &tcpb.Filter{Prefix: word}, false, completeDNs, "")
	for _, d := range page {
		list = append(list, d.GetDn())
	}
	return list
}

func nodes(ctx context.Context, cl *Client, word string) (list []string) {
	r, _ := cl.Config.ListNodes(ctx, &configpb.ListNodesRequest{})
	for _, n := range r.GetNodes() {
		if strings.HasPrefix(n.GetName(), word) {
			list = append(list, n.GetName())
		}
	}
	return list
}

func groups(ctx context.Context, cl *Client, word string) (list []string) {
	stream, err := tcpb.NewStatisticsClient(cl.Conn).WatchGroups(ctx, &tcpb.WatchGroupsRequest{})
	if err != nil {
		return nil
	}
	first, _ := stream.Recv()
	for _, g := range first.GetGroups() {
		if strings.HasPrefix(g, word) {
			list = append(list, g)
		}
	}
	return list
}
