package site

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

var (
	now = time.Unix(1000, 0)
	ago = func(d time.Duration) time.Time { return now.Add(-d) }
)

func heard(name, site string, dns int) Node {
	return Node{Name: name, Site: site, Heard: true, Since: ago(time.Hour), InService: dns}
}

func lost(name, site string, since time.Duration) Node {
	return Node{Name: name, Site: site, Since: ago(since), InService: 100}
}

func TestOf_ASiteIsLostWhenAllItsNodesAre(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []Node
		want  []State
		next  time.Time
	}{
		"nobody": {},
		"one node alone": {
			nodes: []Node{heard("sip1", "dc1", 3)},
			want:  []State{{Site: "dc1", Heard: []string{"sip1"}, InService: 3, Since: ago(time.Hour)}},
		},
		"all are heard, in any order": {
			nodes: []Node{heard("sip4", "dc2", 4), heard("sip2", "dc1", 2), heard("sip1", "dc1", 1), heard("sip3", "dc2", 3)},
			want: []State{
				{Site: "dc1", Heard: []string{"sip1", "sip2"}, InService: 3, Since: ago(time.Hour)},
				{Site: "dc2", Heard: []string{"sip3", "sip4"}, InService: 7, Since: ago(time.Hour)},
			},
		},
		"one of two is lost: the site is not": {
			nodes: []Node{heard("sip1", "dc1", 1), heard("sip3", "dc2", 3), lost("sip4", "dc2", time.Second)},
			want: []State{
				{Site: "dc1", Heard: []string{"sip1"}, InService: 1, Since: ago(time.Hour)},
				{Site: "dc2", Heard: []string{"sip3"}, Lost: []string{"sip4"}, InService: 3, Since: ago(time.Second)},
			},
		},
		"both are lost: the site is, since the second": {
			nodes: []Node{heard("sip1", "dc1", 1), lost("sip3", "dc2", 1100*time.Millisecond), lost("sip4", "dc2", time.Second)},
			want: []State{
				{Site: "dc1", Heard: []string{"sip1"}, InService: 1, Since: ago(time.Hour)},
				{Site: "dc2", Lost: []string{"sip3", "sip4"}, Since: ago(time.Second), Within: 100 * time.Millisecond},
			},
		},
		"the only one is lost": {
			nodes: []Node{lost("sip3", "dc2", time.Second)},
			want:  []State{{Site: "dc2", Lost: []string{"sip3"}, Since: ago(time.Second)}},
		},
		"a process that has just begun waits for the first word": {
			nodes: []Node{{Name: "sip3", Site: "dc2", Connecting: true, Since: ago(Settle - time.Second)}, lost("sip4", "dc2", time.Minute)},
			want:  []State{{Site: "dc2", Lost: []string{"sip4"}, Awaited: []string{"sip3"}, Since: ago(Settle - time.Second)}},
			next:  now.Add(time.Second),
		},
		"and not for ever": {
			nodes: []Node{{Name: "sip3", Site: "dc2", Connecting: true, Since: ago(Settle)}},
			want:  []State{{Site: "dc2", Lost: []string{"sip3"}, Since: ago(Settle)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, next := Of(c.nodes, now)
			if !reflect.DeepEqual(got, c.want) || !next.Equal(c.next) {
				t.Errorf("%+v until %v, want %+v until %v", got, next, c.want, c.next)
			}
		})
	}
}

func TestChanged_EachLossAndItsEndIsToldOnce(t *testing.T) {
	awaited := Node{Name: "sip2", Site: "dc2", Connecting: true, Since: now}
	gone := map[string]bool{}
	for _, step := range []struct {
		what       string
		nodes      []Node
		lost, back []string
	}{
		{"begin", []Node{heard("sip1", "dc1", 0), awaited}, nil, nil},
		{"heard for the first time", []Node{heard("sip1", "dc1", 0), heard("sip2", "dc2", 0)}, nil, nil},
		{"lost", []Node{heard("sip1", "dc1", 0), lost("sip2", "dc2", 0)}, []string{"dc2"}, nil},
		{"still", []Node{heard("sip1", "dc1", 0), lost("sip2", "dc2", time.Second)}, nil, nil},
		{"a node is added there", []Node{heard("sip1", "dc1", 0), lost("sip2", "dc2", time.Second), {Name: "sip3", Site: "dc2", Connecting: true, Since: now}}, nil, nil},
		{"and one of them is heard", []Node{heard("sip1", "dc1", 0), lost("sip2", "dc2", time.Minute), heard("sip3", "dc2", 1)}, nil, []string{"dc2"}},
		{"lost again", []Node{heard("sip1", "dc1", 0), lost("sip2", "dc2", time.Minute), lost("sip3", "dc2", time.Second)}, []string{"dc2"}, nil},
		{"removed", []Node{heard("sip1", "dc1", 0)}, nil, nil},
		{"the site is there anew", []Node{heard("sip1", "dc1", 0), heard("sip4", "dc2", 0)}, nil, nil},
	} {
		states, _ := Of(step.nodes, now)
		wentNow, backNow := Changed(gone, states)
		if got := names(wentNow); !slices.Equal(got, step.lost) {
			t.Errorf("%s: lost %v, want %v", step.what, got, step.lost)
		}
		if got := names(backNow); !slices.Equal(got, step.back) {
			t.Errorf("%s: back %v, want %v", step.what, got, step.back)
		}
		gone = Gone(gone, states)
	}
}

func names(states []State) (all []string) {
	for _, s := range states {
		all = append(all, s.Site)
	}
	return all
}

// Whatever the verdicts do, losses and their ends take turns for each site, and what was told
// last is how it is.
func TestChanged_TakesTurns(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes := make([]Node, 6)
		for k := range nodes {
			nodes[k] = Node{Name: string(rune('a' + k)), Site: string(rune('x' + k%3)), Connecting: true, Since: now}
		}
		gone, told, at := map[string]bool{}, map[string]bool{}, now
		for range 100 {
			at = at.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
			n := &nodes[r.IntN(len(nodes))]
			n.Heard, n.Connecting, n.Since = !n.Heard, false, at
			states, _ := Of(nodes, at)
			wentNow, backNow := Changed(gone, states)
			for _, s := range wentNow {
				if told[s.Site] || !s.Gone() {
					t.Fatalf("seed %d: %s is lost twice, or isn't", seed, s.Site)
				}
				told[s.Site] = true
			}
			for _, s := range backNow {
				if !told[s.Site] || len(s.Heard) == 0 {
					t.Fatalf("seed %d: %s is back that was not lost", seed, s.Site)
				}
				delete(told, s.Site)
			}
			if gone = Gone(gone, states); !maps.Equal(gone, told) {
				t.Fatalf("seed %d: lost are %v, told was %v", seed, gone, told)
			}
		}
	}
}
