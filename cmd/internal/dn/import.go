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

// importFlags are how a file is imported.
type importFlags struct {
	algorithm, mapping string
	plan, prune        bool
}

func (c commands) dnImportCommand() *cobra.Command {
	var f importFlags
	cmd := c.Asking(&cobra.Command{
		Use: "import FILE.csv", Short: "Create or replace many DNs from CSV; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Create or replace many DNs. FILE is CSV with the header

  dn,kind,password,external,groups

where groups are separated by ";" and - reads stdin. A sixth column, outbound, may
say where the DN's calls may go, as --outbound of dn put. The whole file is checked
before anything is written: all bad rows are named and nothing is imported. Groups
that don't exist are created. Passwords don't leave this process.

A file with another header is read by a mapping, --map FILE.yaml:

  columns: {dn: Extension, ha1: Hash, groups: Team}   # also kind, password, external, outbound
  values: {kind: {Agent: sip, Queue: routing-point}}  # what texts in the file stand for
  defaults: {kind: sip}                               # for columns that it has not, or left empty
  separator: ";"                                      # between columns; group_separator between groups

ha1 is the digest of a password (MD5 or SHA-256 of NUMBER:REALM:PASSWORD, as export has it).

--plan says what would be created, changed and deleted: the node checks it and writes
nothing. --prune deletes the DNs that the file does not have, of the kinds that it has,
and names them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.importFile(cmd.Context(), args[0], f)
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&f.algorithm, "algorithm", "md5", "digest `ALGORITHM` of sip DNs: md5 (what most phones speak) or sha-256")
	flags.StringVar(&f.mapping, "map", "", "`FILE` that says which column of the CSV is what")
	flags.BoolVar(&f.plan, "plan", false, "only say what would be written")
	flags.BoolVar(&f.prune, "prune", false, "delete the DNs that the file does not have, of the kinds that it has")
	return cmd
}

func (c commands) importFile(ctx context.Context, name string, f importFlags) error {
	alg, err := config.ParseAlgorithm(f.algorithm)
	if err != nil {
		return console.Usagef("--algorithm %w", err)
	}
	by, err := c.readMapping(f.mapping)
	if err != nil {
		return console.Doing("dn import", err)
	}
	in, closeFile, err := c.Open(name)
	if err != nil {
		return console.Doing("dn import", err)
	}
	defer closeFile()
	return console.Doing("dn import "+name, c.importDNs(ctx, in, by, alg, f))
}

// readMapping reads the file that says how the CSV is read; "" is the mapping of csvHeader.
func (c commands) readMapping(name string) (by mapping, err error) {
	if name == "" {
		return by, nil
	}
	in, closeFile, err := c.Open(name)
	if err != nil {
		return by, fmt.Errorf("--map %w", err)
	}
	defer closeFile()
	if by, err = readMapping(in); err != nil {
		return by, fmt.Errorf("--map %s: %w", name, err)
	}
	return by, nil
}

func (c commands) importDNs(ctx context.Context, in io.Reader, by mapping, alg configpb.DigestAlgorithm, f importFlags) error {
	rows, err := newCSVReader(in, by)
	if err != nil {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	source := &csvSource{rows: rows, algorithm: alg, prune: f.prune, check: f.plan}
	if err := source.learn(ctx, cl, f.plan || f.prune); err != nil {
		return err
	}
	began := c.Now()
	total, err := c.Upload(ctx, cl, source.next)
	if source.nothingWrong(err) {
		return c.say(source, source.plan.Report(f.plan))
	}
	if err := c.refused(source, err); err != nil {
		return err
	}
	took := c.Now().Sub(began).Round(time.Millisecond)
	if source.plan != nil {
		return c.say(source, fmt.Sprintf("%s, in %v", source.plan.Report(false), took))
	}
	_, err = fmt.Fprintf(c.Out, "%d DNs imported, %d groups created, in %v\n", source.dns, total-source.dns, took)
	return err
}

// refused is why an import was not done: the rows that are wrong, or what else.
func (c commands) refused(source *csvSource, err error) error {
	if bad := source.badRows(err); len(bad) > 0 {
		return c.sayBadRows(bad)
	}
	err = source.nameRow(err)
	if errors.As(err, new(rowError)) {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	return err
}

// say names the changes of a plan, and counts them.
func (c commands) say(source *csvSource, report string) error {
	for _, line := range append(source.changes, report) {
		if _, err := fmt.Fprintln(c.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// csvSource makes mutations of rows.
type csvSource struct {
	rows      *csvReader
	realm     string
	algorithm configpb.DigestAlgorithm
	// groups that exist or were made by an earlier row.
	groups map[string]bool
	dns    uint64
	// plan compares with what the cluster has, when that was asked for, and changes are
	// what it says; prune deletes what no row has, at the end.
	plan    *config.Plan
	changes []string
	prune   bool
	// rowOf has the row of each mutation.
	rowOf []int
	// bad are the rows that were found wrong here; refused tells that the node was told
	// so, by a mutation that it refuses.
	bad     []rowError
	refused bool
	// check has the node check all and do nothing, and sent counts what it was told.
	check bool
	sent  int
}

// nothingWrong tells whether the node found nothing wrong but that it was told to do
// nothing, or was told of nothing since all is so already.
func (s *csvSource) nothingWrong(err error) bool {
	if s.plan == nil || len(s.bad) > 0 || !errors.As(err, new(client.AnswerError)) {
		return false
	}
	var refusals client.Refusals
	if errors.As(err, &refusals) && slices.ContainsFunc(refusals.List, func(r *configpb.Refusal) bool { return int(r.GetMutation()) != s.sent }) {
		return false
	}
	return s.sent == 0 || s.refused && outcome.Of(err).Mutation == s.sent
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

func (s *csvSource) next() (m []*configpb.Mutation, err error) {
	m, err = s.read()
	s.sent += len(m)
	return m, err
}

func (s *csvSource) read() ([]*configpb.Mutation, error) {
	row, err := s.rows.next()
	var bad rowError
	for ; errors.As(err, &bad); row, err = s.rows.next() {
		if s.bad = append(s.bad, bad); bad.fatal {
			return nil, err
		}
	}
	switch end := errors.Is(err, io.EOF); {
	case end && s.prune && len(s.bad) == 0:
		s.prune = false
		return s.pruned()
	case end && (s.check || len(s.bad) > 0) && !s.refused:
		s.refused = true // the node checks the others, and does nothing
		return []*configpb.Mutation{{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if row.dn.Kind == configpb.DNKind_DN_KIND_SIP {
		if row.dn.Ha1 = row.ha1; row.ha1 == "" {
			row.dn.Algorithm = s.algorithm
			row.dn.Ha1 = config.HA1(s.algorithm, row.dn.Number, s.realm, row.password)
		}
	}
	m := s.writes(row.dn)
	for range m {
		s.rowOf = append(s.rowOf, s.rows.row)
	}
	return m, nil
}

// pruned deletes what no row has.
func (s *csvSource) pruned() ([]*configpb.Mutation, error) {
	writes, changes, err := s.plan.Prune(s.rows.kinds, func(number string) bool { return s.rows.seen[number] > 0 })
	s.changes = append(s.changes, changes...)
	return writes, err
}

// writes are those that make a DN what its row says.
func (s *csvSource) writes(d *configpb.DN) (m []*configpb.Mutation) {
	s.dns++
	if s.plan != nil {
		m, changes := s.plan.Put(d)
		s.changes = append(s.changes, changes...)
		return m
	}
	for _, g := range d.Groups {
		if !s.groups[g] {
			s.groups[g] = true
			m = append(m, client.PutNewGroup(g))
		}
	}
	return append(m, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
}

// learn asks for what the file is compared with.
func (s *csvSource) learn(ctx context.Context, cl *client.Client, whole bool) (err error) {
	if whole {
		s.plan = config.NewPlan()
		err = cl.Export(ctx, &configpb.ExportRequest{Linearizable: true, Secrets: true}, s.plan.Know)
		s.realm = s.plan.Realm()
		return err
	}
	if s.realm, err = cl.Realm(ctx); err != nil {
		return err
	}
	s.groups, err = cl.Groups(ctx)
	return err
}
