package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
)

// importChunk is how many mutations travel in one message: well below gRPC's
// limit of 4 MiB.
const importChunk = 1_000

func (c *cli) dnImportCommand() *cobra.Command {
	var algorithm string
	cmd := c.client(&cobra.Command{
		Use: "import FILE.csv", Short: "Create or replace many DNs from CSV; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Create or replace many DNs. FILE is CSV with the header

  dn,kind,password,external,groups

where groups are separated by ";" and - reads stdin. The whole file is checked
before anything is written: a bad row is named and nothing is imported. Groups
that don't exist are created. Passwords don't leave this process.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			alg, err := parseAlgorithm(algorithm)
			if err != nil {
				return usagef("--algorithm %w", err)
			}
			in, closeFile, err := c.open(args[0])
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

// open opens a file to read; - is stdin.
func (c *console) open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return c.in, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { _ = f.Close() }, nil
}

func (c *cli) importDNs(ctx context.Context, in io.Reader, alg configpb.DigestAlgorithm) error {
	rows, err := newCSVReader(in)
	if err != nil {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.close()
	realm, err := cl.realm(ctx)
	if err != nil {
		return err
	}
	existing, err := cl.groups(ctx)
	if err != nil {
		return err
	}
	source := &csvSource{rows: rows, realm: realm, algorithm: alg, groups: existing}
	began := c.now()
	total, err := c.upload(ctx, cl, source.next)
	err = source.nameRow(err)
	if errors.As(err, new(rowError)) {
		return fmt.Errorf("%w; nothing was imported", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%d DNs imported, %d groups created, in %v\n", source.dns, total-source.dns, c.now().Sub(began).Round(time.Millisecond))
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
}

// nameRow names the row in a node's refusal of a mutation.
func (s *csvSource) nameRow(err error) error {
	var a answerError
	info := outcome.Of(err)
	if !errors.As(err, &a) || info.Reason != outcome.NotApplied || info.Mutation < 1 || info.Mutation > len(s.rowOf) {
		return err
	}
	return rowError{s.rowOf[info.Mutation-1], a}
}

func (s *csvSource) next() ([]*configpb.Mutation, error) {
	row, err := s.rows.next()
	if err != nil {
		return nil, err
	}
	var m []*configpb.Mutation
	for _, g := range row.dn.Groups {
		if !s.groups[g] {
			s.groups[g] = true
			m = append(m, putNewGroup(g))
		}
	}
	if row.dn.Kind == configpb.DNKind_DN_KIND_SIP {
		row.dn.Algorithm = s.algorithm
		row.dn.Ha1 = ha1(s.algorithm, row.dn.Number, s.realm, row.password)
	}
	s.dns++
	m = append(m, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: row.dn}})
	for range m {
		s.rowOf = append(s.rowOf, s.rows.row)
	}
	return m, nil
}

type importStream = grpc.BidiStreamingClient[configpb.ImportRequest, configpb.ImportResponse]

// upload streams what next returns until io.EOF, then waits while it is
// written, showing progress on a terminal. An error of next is returned as it
// is, and nothing is written then: the node writes nothing before the stream's end.
func (c *cli) upload(ctx context.Context, cl *client, next func() ([]*configpb.Mutation, error)) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := cl.config.Import(ctx)
	if err != nil {
		return 0, cl.explain(err)
	}
	p := c.progress("importing")
	defer p.end()
	for done, sent := false, 0; !done; {
		req := &configpb.ImportRequest{}
		for len(req.Mutations) < importChunk && !done {
			m, err := next()
			switch {
			case errors.Is(err, io.EOF):
				done = true
			case err != nil:
				return 0, err
			}
			req.Mutations = append(req.Mutations, m...)
		}
		if len(req.Mutations) == 0 {
			continue
		}
		if stream.Send(req) != nil {
			break // the answer says why
		}
		sent += len(req.Mutations)
		p.say(fmt.Sprintf("checking %d", sent))
	}
	_ = stream.CloseSend()
	return c.awaitImport(cl, stream, cancel, p)
}

// awaitImport reads the progress until the end; the time-out runs anew with
// each sign of life.
func (c *cli) awaitImport(cl *client, stream importStream, cancel context.CancelFunc, p *progress) (uint64, error) {
	silence := newDeadline(max(cl.timeout, 30*time.Second), cancel)
	defer silence.stop()
	var written uint64
	for {
		resp, err := stream.Recv()
		switch {
		case isEnd(err):
			return written, nil
		case err != nil && written > 0:
			return written, fmt.Errorf("%w (%d changes were written: fix the cause and run this again)", cl.explain(silence.judge(err)), written)
		case err != nil:
			return written, checkFirst(cl.explain(silence.judge(err)))
		}
		silence.extend()
		written = resp.Written
		p.show(written, resp.Total)
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// progress is a line on the terminal that counts; without a terminal it is
// silent.
type progress struct {
	w    io.Writer
	what string
}

func (c *console) progress(what string) *progress {
	if !c.isTerminal(c.err) {
		return &progress{}
	}
	return &progress{w: c.err, what: what}
}

func (p *progress) show(n, total uint64) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s %d of %d (%d%%)", p.what, n, total, 100*n/max(total, 1))
	}
}

// say replaces the line.
func (p *progress) say(s string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s", s)
	}
}

// end wipes the line.
func (p *progress) end() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
