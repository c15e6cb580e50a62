package cdr

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/problem"
)

// Config of a Recorder.
type Config struct {
	// Node and Site of the records.
	Node, Site string
	// Name of a node; "" for none.
	Name func(dn.Node) string
	// Dir has the files, of which each is about Size bytes large, and the last Keep stay.
	Dir  string
	Size int64
	Keep int
	// Up tells whether a call is up. It is asked when notes were lost.
	Up func(call.ID) bool
	// Hook is the URL of the web server that gets the records too, "" for none, with the
	// token in the first line of TokenFile, "" for none.
	Hook, TokenFile string
	// Problems are told what keeps records from the disk and from the hook.
	Problems *problem.Set
	Log      *slog.Logger
}

// maxNotes wait for the disk at most.
const maxNotes = 1 << 16

// Recorder writes the records of a node's calls.
type Recorder struct {
	cfg   Config
	notes chan call.Note
	files *files
	hook  *hook

	dropped atomic.Bool // notes, since the last that was read
	written atomic.Uint64
	lost    atomic.Uint64
}

// Stats of a Recorder.
type Stats struct {
	// Written are the records in files, Lost those that no file has, and notes of calls
	// whose record is incomplete for that; Sent are those that the hook has taken, Unsent
	// is how often files were deleted before it had, and Failed the attempts in vain.
	Written, Lost, Sent, Unsent, Failed uint64
}

// New makes a Recorder of a directory, which is made when it is missing.
func New(cfg Config) (*Recorder, error) {
	f, err := openFiles(cfg.Dir, cfg.Node, cfg.Size, cfg.Keep)
	if err != nil {
		return nil, err
	}
	r := &Recorder{cfg: cfg, notes: make(chan call.Note, maxNotes), files: f}
	if cfg.Hook != "" {
		r.hook = newHook(cfg, f)
		r.hook.begin()
	}
	return r, nil
}

// Note takes what happens to a call; it waits for nothing.
func (r *Recorder) Note(n call.Note) {
	select {
	case r.notes <- n:
	default:
		r.lost.Add(1)
		r.dropped.Store(true)
	}
}

// Stats are what was done so far.
func (r *Recorder) Stats() Stats {
	s := Stats{Written: r.written.Load(), Lost: r.lost.Load()}
	if h := r.hook; h != nil {
		s.Sent, s.Unsent, s.Failed = h.sent.Load(), h.unsent.Load(), h.failed.Load()
	}
	return s
}

// Run writes and sends until ctx ends; what was noted before then is written, also of calls
// that are up, and sent when the node runs again.
func (r *Recorder) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.write(ctx); return nil })
	if r.hook != nil {
		g.Go(func() error { r.hook.run(ctx); return nil })
	}
	return g.Wait()
}

// batch is how many records are written at once, at most.
const batch = 256

// syncAfter is how long what was written may be lost by a power failure.
const syncAfter = time.Second

func (r *Recorder) write(ctx context.Context) {
	defer r.files.close()
	f := newFold(r.cfg.Node, r.cfg.Site, r.cfg.Name)
	sync := time.NewTimer(syncAfter)
	defer sync.Stop()
	dirty := false
	for {
		select {
		case <-ctx.Done():
			for r.batch(f, nil) > 0 {
			}
			r.keep(f.unfinished())
			return
		case n := <-r.notes:
			if r.batch(f, &n) > 0 && !dirty {
				dirty = true
				sync.Reset(syncAfter)
			}
		case <-sync.C:
			if dirty {
				r.tell(r.files.sync())
			}
			dirty = false
		}
	}
}

// tell tells whether records are lost.
func (r *Recorder) tell(err error) {
	if err != nil {
		r.cfg.Problems.Begin(problem.Problem{Code: "call-records", Text: "call records are lost: " + err.Error(), Advice: "mend " + r.cfg.Dir})
		return
	}
	r.cfg.Problems.End("call-records", "")
}

// batch takes a first note, if any, and those that wait, and writes the records of the
// calls that are over. It returns how many records it made.
func (r *Recorder) batch(f *fold, first *call.Note) (n int) {
	var done []*Record
	take := func(x call.Note) (records int) {
		if d := f.take(x); d != nil {
			done = append(done, d)
			return 1
		}
		return 0
	}
	if first != nil {
		n += take(*first)
	}
	for waits := true; waits && n < batch; {
		select {
		case x := <-r.notes:
			n += take(x)
		default:
			waits = false
		}
	}
	if r.dropped.Swap(false) {
		f.lost(time.Now().UnixNano())
		n += r.settle(f, take)
	}
	r.keep(done)
	return n
}

// keep writes records into the file.
func (r *Recorder) keep(done []*Record) {
	if len(done) == 0 {
		return
	}
	var lines bytes.Buffer
	for _, d := range done {
		_ = json.NewEncoder(&lines).Encode(d) // numbers and strings: it can't fail
	}
	err := r.files.write(lines.Bytes())
	if r.tell(err); err != nil {
		r.lost.Add(uint64(len(done)))
		return
	}
	r.written.Add(uint64(len(done)))
}

// settle ends the records of calls whose end was among the notes that are lost. The end of
// a call that is not up is noted before that can be seen: so it waits by now, or is lost.
func (r *Recorder) settle(f *fold, take func(call.Note) int) (n int) {
	over := f.over(r.cfg.Up)
	for range len(r.notes) {
		n += take(<-r.notes)
	}
	for _, id := range over {
		n += take(call.Note{Call: id})
	}
	return n
}
