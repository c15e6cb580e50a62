package consensus

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// An append is bounded by what the line to the follower carries in appendTime, so
// that a slow one gets the log in pieces that arrive: Raft counts entries alone, and
// 256 of them may be 20 MB.
const (
	appendTime             = 500 * time.Millisecond
	minAppend, firstAppend = 8 << 10, 64 << 10
	maxAppend              = 1 << 20
	// entryOctets is what an entry costs besides its data.
	entryOctets = 64
)

// pace is how much a follower is sent at once. The zero value is a new one's.
type pace struct {
	mu     sync.Mutex
	octets int // 0: firstAppend
}

func (p *pace) budget() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.octets == 0 {
		return firstAppend
	}
	return p.octets
}

// fit returns the entries that go at once, at least one, and their octets.
func (p *pace) fit(entries []*raft.Log) ([]*raft.Log, int) {
	budget, sum := p.budget(), 0
	for i, l := range entries {
		n := len(l.Data) + entryOctets
		if i > 0 && sum+n > budget {
			return entries[:i], sum
		}
		sum += n
	}
	return entries, sum
}

// took learns from an append of that many octets, how long it took until the answer.
// One that was much smaller than the budget says nothing of the line.
func (p *pace) took(octets int, d time.Duration) {
	budget := p.budget()
	if octets == 0 || octets < budget/2 && d < appendTime {
		return
	}
	next := float64(octets) * float64(appendTime) / float64(max(d, time.Millisecond))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.octets = int(min(max(next, float64(budget)/4, minAppend), 2*float64(budget), maxAppend))
}

// failed makes what goes next smaller.
func (p *pace) failed() {
	budget := p.budget()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.octets = max(budget/4, minAppend)
}

// paced is a pipeline whose appends are bounded too. more is called when Raft has asked for as
// much as it does at once: there may be more; and when the pipeline is given up, of which the
// last requests may not have been answered.
type paced struct {
	raft.AppendPipeline
	pace *pace
	more func()
}

// Close implements raft.AppendPipeline.
func (p paced) Close() error {
	defer p.more()
	return p.AppendPipeline.Close()
}

// AppendEntries implements raft.AppendPipeline. What doesn't fit goes in further requests
// behind the first: Raft asks once for all that is there, and again only when there is more
// or commitTimeout is over, so a follower that is some requests behind would stay so.
func (p paced) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if len(args.Entries) >= maxAppendEntries {
		defer p.more()
	}
	for {
		fits, _ := p.pace.fit(args.Entries)
		if len(fits) == len(args.Entries) {
			return p.AppendPipeline.AppendEntries(args, resp)
		}
		piece := *args
		piece.Entries = fits
		if f, err := p.AppendPipeline.AppendEntries(&piece, new(raft.AppendEntriesResponse)); err != nil {
			return f, err
		}
		last := fits[len(fits)-1]
		args.PrevLogEntry, args.PrevLogTerm, args.Entries = last.Index, last.Term, args.Entries[len(fits):]
	}
}
