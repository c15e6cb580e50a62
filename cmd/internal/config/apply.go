package config

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// What a node takes as one write, all or nothing.
const (
	applyOnce      = 500
	applyOnceBytes = 500_000
)

// ApplyCommand is apply.
func ApplyCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var file string
	var dryRun, prune bool
	cmd := c.Asking(&cobra.Command{
		Use: "apply -f FILE.yaml", Short: "Make the configuration what a YAML file says; needs a quorum", Args: cobra.NoArgs,
		Long: `Make options, groups and DNs what the file says, and leave alone what it does not
name. Applying a file twice changes nothing the second time. The format is that
of export; a sip DN may have "password: P" in place of ha1. Up to 500 changes
are written all or nothing; more are checked as a whole first. With --prune groups
and DNs that the file does not have are deleted, and named before that is done.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return console.Usagef("-f FILE.yaml is missing (- for stdin)")
			}
			in, closeFile, err := c.Open(file)
			if err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			defer closeFile()
			if err := c.apply(cmd.Context(), in, dryRun, prune); err != nil {
				return fmt.Errorf("apply %s: %w", file, err)
			}
			return nil
		},
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` to apply, - for stdin")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would change")
	cmd.Flags().BoolVar(&prune, "prune", false, "delete the groups and DNs that the file does not have; says first which")
	return cmd
}

func (c commands) apply(ctx context.Context, in io.Reader, dryRun, prune bool) error {
	doc, err := readDocument(in, maxDocument)
	if err != nil {
		return err
	}
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	p := NewPlan()
	if err := cl.Export(ctx, &configpb.ExportRequest{Linearizable: true, Secrets: true}, p.Know); err != nil {
		return err
	}
	if slices.ContainsFunc(doc.DNs, DN.bothDigests) {
		if p.level, err = cl.Level(ctx); err != nil {
			return err
		}
	}
	if err := p.Compare(doc); err != nil {
		return err
	}
	if prune {
		if err := p.prune(doc); err != nil {
			return err
		}
		for _, name := range p.pruned {
			if _, err := fmt.Fprintln(c.Out, "delete "+name); err != nil {
				return err
			}
		}
	}
	if !dryRun {
		if err := c.write(ctx, cl, p.Mutations); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(c.Out, p.report(dryRun))
	return err
}

// write writes few mutations all or nothing, many as an import.
func (c commands) write(ctx context.Context, cl *client.Client, mutations []*configpb.Mutation) error {
	if len(mutations) == 0 {
		return nil
	}
	once := &configpb.WriteRequest{Mutations: mutations}
	if len(mutations) <= applyOnce && proto.Size(once) <= applyOnceBytes {
		return cl.Write(ctx, mutations...)
	}
	_, err := c.Upload(ctx, cl, func() (all []*configpb.Mutation, err error) {
		if all, mutations = mutations, nil; all == nil {
			err = io.EOF
		}
		return all, err
	})
	return err
}

// sameDN tells whether storing d would change nothing.
func sameDN(old, d *configpb.DN, keep bool) bool {
	if old == nil {
		return false
	}
	a, b := proto.CloneOf(old), proto.CloneOf(d)
	for _, n := range []*configpb.DN{a, b} {
		n.Revision = 0
		if n.Kind == configpb.DNKind_DN_KIND_SIP && n.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED {
			n.Algorithm = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5
		}
		if keep && n.Trunk == nil {
			n.Ha1 = ""
		}
	}
	sameAuth(a.Trunk.GetInboundAuth(), b.Trunk.GetInboundAuth())
	sameAuth(a.Trunk.GetOutboundAuth(), b.Trunk.GetOutboundAuth())
	return proto.Equal(a, b)
}

// sameAuth takes away what does not tell two users of a trunk apart: how MD5 is
// written, and a digest that b leaves as it is in a.
func sameAuth(a, b *configpb.TrunkAuth) {
	for _, x := range []*configpb.TrunkAuth{a, b} {
		if x != nil && x.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED {
			x.Algorithm = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5
		}
	}
	if a != nil && b != nil && b.Ha1 == "" {
		a.Ha1, a.Sha256Ha1, b.Algorithm = "", "", a.Algorithm
	}
}
