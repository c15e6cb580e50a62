package sip

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

var update = flag.Bool("update", false, "write transcripts anew, with what is received")

// TestForwarding plays the transcripts: what goes in, and byte for byte what
// comes out. go test ./sip -run TestForwarding -update writes them anew.
func TestForwarding(t *testing.T) {
	files, err := filepath.Glob("testdata/forwarding/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	if testing.Short() { // the bytes are compared in the long run; this one looks for races
		files = files[:3]
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := newSite(t)
			var all strings.Builder
			for _, blocks := range scenarios(readTranscript(t, file)) {
				want, got := join(blocks), join(s.play(blocks))
				all.WriteString(got)
				if got != want && !*update {
					t.Errorf("%s: %s", strings.TrimSpace(blocks[0].head), difference(got, want))
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(all.String(), "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func join(blocks []*block) string {
	var b strings.Builder
	for _, x := range blocks {
		b.WriteString(x.String())
	}
	return b.String()
}

// play plays a scenario and returns it with what was received.
func (s *site) play(blocks []*block) (out []*block) {
	s.t.Helper()
	symbols := newSymbols(s.place, "secret")
	s.missed, s.sent = false, map[string]bool{}
	for _, p := range s.stations {
		p.forget()
	}
	for i := 0; i < len(blocks); i++ {
		b := blocks[i]
		out = append(out, b)
		switch {
		case b.is(">>> "):
			s.send(b, symbols)
		case b.is("!!! "):
			s.act(b.words())
		default:
			continue
		}
		expected := 0
		for ; i+1 < len(blocks) && blocks[i+1].is("<<< "); i++ {
			expected++
		}
		out = append(out, s.collect(expected, symbols)...)
	}
	return out
}

// send sends what a block says: "station to node", and of a response perhaps "on
// method", which it answers.
func (s *site) send(b *block, symbols *symbols) {
	s.t.Helper()
	w := b.words()
	from := s.byName[w[0]]
	if from == nil {
		s.t.Fatalf("%s: no such station", b.head)
	}
	node := s.n1
	if w[2] == "n2" {
		node = s.n2
	}
	method := ""
	if len(w) == 5 {
		method = w[4]
	}
	msg := symbols.real(from.fill(symbols.real(b.message()), method))
	for l := range strings.SplitSeq(symbols.normal(msg), "\r\n") {
		s.sent[l] = true
	}
	if err := from.via([]byte(msg), node.server.UDPAddr()); err != nil {
		s.t.Errorf("%s: %v", b.head, err)
	}
}

// stillness is how long nothing comes while a transcript is written anew.
const stillness = 30 * time.Millisecond

// collect waits for as many messages as are expected and takes all that came.
func (s *site) collect(expected int, symbols *symbols) (out []*block) {
	s.t.Helper()
	total := func() (n int) {
		for _, p := range s.stations {
			n += p.received()
		}
		return n
	}
	if *update {
		for before := -1; before != total(); <-time.After(stillness) {
			before = total()
		}
	} else {
		limit := patience.Limit
		if s.missed {
			limit = 100 * time.Millisecond // the scenario has failed
		}
		s.missed = !s.within(limit, func() bool { return total() >= expected }) || s.missed
	}
	s.settle()
	for _, p := range s.stations {
		for _, r := range p.taken() {
			p.learn(r.msg)
			out = append(out, blockOf("<<< "+r.who, symbols.normal(r.msg)))
		}
	}
	return out
}

// act does what no message does.
func (s *site) act(words []string) {
	s.t.Helper()
	switch words[0] {
	case "close": // a phone's connection
		flows := s.n1.server.flows.Len()
		s.byName[words[1]].conn.Close()
		until(s.t, "the node knows", func() bool { return s.n1.server.flows.Len() < flows })
	case "trying": // a phone hears a 100
		p := s.byName[words[1]]
		s.until("100 for "+words[1], p.heardTrying)
	case "lose": // the other node
		s.n1.table.SetHeard(dn.Node(words[1]), false)
	case "hear":
		s.n1.table.SetHeard(dn.Node(words[1]), true)
	default:
		s.t.Fatalf("no action %q", words)
	}
}

func TestSymbols_AddressesGoThereAndBackAnywhere(t *testing.T) {
	const text = "Via: SIP/2.0/UDP 127.0.0.1:5060;received=127.0.127.0, 192.0.2.1, 10.127.0.0"
	for n := range 256 {
		s := newSymbols(fmt.Sprintf("127.%d.", n), "")
		there := s.real(text)
		if again := s.real(there); again != there {
			t.Errorf("%s: twice makes %q of %q", s.place, again, there)
		}
		if back := s.normal(there); back != text {
			t.Errorf("%s: back is %q", s.place, back)
		}
	}
}
