package tcontroller

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestServer_SaysWhichTurnsItPassesOn at the beginning of a link, and when that is other than
// before: with the next answer to a ping.
func TestServer_SaysWhichTurnsItPassesOn(t *testing.T) {
	publisher(t, func(t *testing.T, s *Server, _ *dn.Table, c peerpb.TControllerClient) {
		trunks, edition := []dn.Number{}, uint64(1)
		s.passes = func() ([]dn.Number, uint64) { return trunks, edition }
		f := follows(t, c, asks("b"))
		for i, step := range []struct {
			now   []dn.Number
			said  bool
			again bool // it is a new word
		}{{nil, true, false}, {nil, false, false}, {[]dn.Number{"gw1", "gw2"}, true, true}, {[]dn.Number{"gw1", "gw2"}, false, false}, {nil, true, true}} {
			trunks = step.now
			if step.again {
				edition++
			}
			if err := f.Send(ping(int64(i), 1)); err != nil {
				t.Fatal(err)
			}
			var p *peerpb.Pong
			for p == nil {
				m, err := f.Recv()
				if err != nil {
					t.Fatal(err)
				}
				p = m.GetPong()
			}
			if said := p.GetPasses(); (said != nil) != step.said || step.said && !slices.Equal(passesFromProto(said), step.now) {
				t.Errorf("answer %d: %v", i, said)
			}
		}
	})
}

func TestFollower_HearsWhichTurnsThePeerPassesOn(t *testing.T) {
	var mu sync.Mutex
	var told [][]dn.Number
	withPeer(t, func(c *Config) {
		standard(c)
		c.Passes = func(_ dn.Node, trunks []dn.Number) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, trunks)
		}
	}, func(t *testing.T, s *scripted) {
		l := s.heard()
		l.hush(true)
		passes(time.Second)
		for _, p := range []*peerpb.Passes{nil, {Trunks: []string{"gw"}}, nil, {}} {
			l.says(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: &peerpb.Pong{SentMono: 1, SentWall: 1, Passes: p}}})
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 || !slices.Equal(told[0], []dn.Number{"gw"}) || len(told[1]) != 0 {
			t.Errorf("told %v", told)
		}
	})
}
