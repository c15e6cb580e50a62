package dn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

func (c commands) dnImportCommand() *cobra.Command {
	var algorithm string
	cmd := c.Asking(&cobra.Command{
		Use: "import FILE.csv", Short: "Create or replace many DNs from CSV; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Create or replace many DNs. FILE is CSV with the header

  dn,kind,password,external,groups

where groups are separated by ";" and - reads stdin. A sixth column, outbound, may
say where the DN's calls may go, as --outbound of dn put. The whole file is checked
before anything is written: all bad rows are named and nothing is imported. Groups
that don't exist are created. Passwords don't leave this process.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			alg, err := config.ParseAlgorithm(algorithm)
			if err != nil {
				return console.Usagef("--algorithm %w", err)
			}
			in, closeFile, err := c.Open(args[0])
			if err != nil {
				return fmt.Errorf("dn import: %w", err)
			}
			defer closeFile()
			if err := c.importDNs(cmd.Context(), in, alg); err != nil {
				return fmt.Errorf("dn import %s: %w", args[0], err)
			}
			return nil
		},
	})
	cmd.Flags().StringVar(&algorithm, "algorithm", "md5", "digest `ALGORITHM` of sip DNs: md5 (what most phones speak) or sha-256")
	return cmd
}

func (c commands) importDNs(ctx context.Context, in io.Reader, alg configpb.DigestAlgorithm) error {
	rows, err := newCSVReader(in)
	if err != nil {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	realm, err := cl.Realm(ctx)
	if err != nil {
		return err
	}
	existing, err := cl.Groups(ctx)
	if err != nil {
		return err
	}
	source := &csvSource{rows: rows, realm: realm, algorithm: alg, groups: existing}
	began := c.Now()
	total, err := c.Upload(ctx, cl, source.next)
	if bad := source.badRows(err); len(bad) > 0 {
		return c.sayBadRows(bad)
	}
	err = source.nameRow(err)
	if errors.As(err, new(rowError)) {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%d DNs imported, %d groups created, in %v\n", source.dns, total-source.dns, c.Now().Sub(began).Round(time.Millisecond))
	return err
}

// csvSource makes mutations of rows.
type csvSource struct {
	rows      *csvReader
	realm     string
	algorithm configpb.DigestAlgorithm
	// groups that exist or were made by an earlier row.
	groups map[string]bool
	dns    uint64
	// rowOf has the row of each mutation.
	rowOf []int
	// bad are the rows that were found wrong here; refused tells that the node was told
	// so, by a mutation that it refuses.
	bad     []rowError
	refused bool
}

// badRows are all that are wrong, with what the node says of the others.
func (s *csvSource) badRows(err error) []rowError {
	all := slices.Clone(s.bad)
	var refusals client.Refusals
	if errors.As(err, &refusals) {
		for _, r := range refusals.List {
			if at := int(r.GetMutation()); at >= 1 && at <= len(s.rowOf) {
				all = append(all, rowError{s.rowOf[at-1], errors.New(console.OneLine(r.GetText())), false})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b rowError) int { return a.row - b.row })
	return slices.CompactFunc(all, func(a, b rowError) bool { return a.row == b.row }) // what is first wrong with each
}

// sayBadRows names each on a line of its own, when there are several.
func (c commands) sayBadRows(bad []rowError) error {
	if len(bad) == 1 {
		return fmt.Errorf("%w; nothing was imported", bad[0])
	}
	for _, b := range bad {
		fmt.Fprintln(c.Err, b.Error())
	}
	return fmt.Errorf("%d rows are wrong; nothing was imported", len(bad))
}

// nameRow names the row in a node's refusal of a mutation.
func (s *csvSource) nameRow(err error) error {
	var a client.AnswerError
	info := outcome.Of(err)
	if !errors.As(err, &a) || info.Reason != outcome.NotApplied || info.Mutation < 1 || info.Mutation > len(s.rowOf) {
		return err
	}
	return rowError{row: s.rowOf[info.Mutation-1], err: a}
}

func (s *csvSource) next() ([]*configpb.Mutation, error) {
	row, err := s.rows.next()
	var bad rowError
	for ; errors.As(err, &bad); row, err = s.rows.next() {
		if s.bad = append(s.bad, bad); bad.fatal {
			return nil, err
		}
	}
	if errors.Is(err, io.EOF) && len(s.bad) > 0 && !s.refused {
		s.refused = true // the node checks the others, and does nothing
		return []*configpb.Mutation{{}}, nil
	}
	if err != nil {
		return nil, err
	}
	var m []*configpb.Mutation
	for _, g := range row.dn.Groups {
		if !s.groups[g] {
			s.groups[g] = true
			m = append(m, client.PutNewGroup(g))
		}
	}
	if row.dn.Kind == configpb.DNKind_DN_KIND_SIP {
		row.dn.Algorithm = s.algorithm
		row.dn.Ha1 = config.HA1(s.algorithm, row.dn.Number, s.realm, row.password)
	}
	s.dns++
	m = append(m, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: row.dn}})
	for range m {
		s.rowOf = append(s.rowOf, s.rows.row)
	}
	return m, nil
}
