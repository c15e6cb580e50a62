package consensus

import (
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

// sent is a pipeline that keeps what it is asked for.
type sent struct {
	raft.AppendPipeline
	requests []raft.AppendEntriesRequest
}

func (s *sent) AppendEntries(args *raft.AppendEntriesRequest, _ *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	s.requests = append(s.requests, *args)
	return nil, nil
}

// All that Raft asks for once leaves at once, in requests of a bounded size that follow one
// another: what had to wait for Raft's next request made a follower that was some requests
// behind stay behind, and the writes that needed its vote fail.
func TestPaced_TheRestFollowsAtOnce(t *testing.T) {
	args := &raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 6, PrevLogTerm: 2, LeaderCommitIndex: 5}
	for i := range 7 {
		args.Entries = append(args.Entries, &raft.Log{Index: uint64(7 + i), Term: 2 + uint64(i)/4, Data: make([]byte, firstAppend/3)})
	}
	p := &sent{}
	if _, err := (paced{p, new(pace), nil}).AppendEntries(args, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(p.requests); n != 4 {
		t.Fatalf("%d requests", n)
	}
	index, term := uint64(6), uint64(2)
	var all []uint64
	for _, r := range p.requests {
		if r.PrevLogEntry != index || r.PrevLogTerm != term || r.Term != 3 || r.LeaderCommitIndex != 5 {
			t.Errorf("a request behind entry %d of term %d is %+v", index, term, r)
		}
		for _, l := range r.Entries {
			all = append(all, l.Index)
			index, term = l.Index, l.Term
		}
	}
	if !slices.Equal(all, []uint64{7, 8, 9, 10, 11, 12, 13}) {
		t.Errorf("entries %v", all)
	}
	if n := len(args.Entries); n != 1 || args.Entries[n-1].Index != 13 {
		t.Errorf("Raft goes on behind %d entries", n) // it reads how far it went from its own request
	}
}

// What was more than Raft takes at once is asked for as soon as that has left: the follower
// has not to wait for the next write.
func TestPaced_FullAsksForTheRest(t *testing.T) {
	for _, c := range []struct{ entries, asked int }{{0, 0}, {maxAppendEntries - 1, 0}, {maxAppendEntries, 1}} {
		asked := 0
		args := &raft.AppendEntriesRequest{}
		for i := range c.entries {
			args.Entries = append(args.Entries, &raft.Log{Index: uint64(i + 1)})
		}
		p := paced{&sent{}, new(pace), func() { asked++ }}
		if _, err := p.AppendEntries(args, nil); err != nil {
			t.Fatal(err)
		}
		if asked != c.asked {
			t.Errorf("%d entries: asked %d times, want %d", c.entries, asked, c.asked)
		}
	}
}
