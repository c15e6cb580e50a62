package voters

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// situation reads "a@x b@y- c!": members by id with their site, a minus for one that shall
// not vote; and the group "a b- c=old", where c is at another address: a minus for one that does not vote.
func situation(roster, group, dead string) Situation {
	s := Situation{Self: "a", Max: DefaultMax, Dead: DefaultDead, Alive: time.Second, CaughtUp: func(string) bool { return true }}
	for f := range strings.FieldsSeq(roster) {
		id, site, _ := strings.Cut(strings.TrimSuffix(f, "-"), "@")
		s.Roster = append(s.Roster, Member{ID: id, Site: site, Addr: "at-" + id, NonVoter: strings.HasSuffix(f, "-")})
	}
	for f := range strings.FieldsSeq(group) {
		id, addr, moved := strings.Cut(f, "=")
		v := Server{ID: strings.TrimSuffix(id, "-"), Voter: !strings.HasSuffix(id, "-")}
		if v.Addr = "at-" + v.ID; moved {
			v.Addr = addr
		}
		s.Servers = append(s.Servers, v)
	}
	s.Silent = func(id string) time.Duration {
		switch {
		case slices.Contains(strings.Fields(dead), id):
			return time.Hour
		case slices.Contains(strings.Fields(dead), id+"?"):
			return time.Minute
		}
		return 0
	}
	return s
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name, roster, group, dead string
		change                    func(*Situation)
		want                      Action
		id                        string
	}{
		{"both agree", "a b c", "a b c", "", nil, None, ""},
		{"a new node follows first", "a b", "a", "", nil, Follow, "b"},
		{"it votes when it has the log", "a b", "a b-", "", nil, Vote, "b"},
		{"and not before", "a b", "a b-", "", func(s *Situation) { s.CaughtUp = func(string) bool { return false } }, None, ""},
		{"nor while it is dead", "a b", "a b-", "b", nil, None, ""},
		{"one that shall not vote", "a b-", "a b-", "", nil, None, ""},
		{"one that shall not vote any more", "a b-", "a b", "", nil, Demote, "b"},
		{"but not beside a dead one", "a b- c", "a b c", "c?", nil, None, ""},
		{"the leader that shall not vote any more", "a- b c", "a b c", "", nil, HandOver, "a"},
		{"the last voter stays", "a-", "a", "", nil, None, ""},
		{"off the roster", "a b", "a b c", "", nil, Remove, "c"},
		{"the leader itself off the roster", "b c", "a b c", "", nil, HandOver, "a"},
		{"others before the leader itself", "b", "a b c", "", nil, Remove, "c"},
		{"a voter moved", "a b", "a b=old", "", nil, Vote, "b"},
		{"a non-voter moved", "a b-", "a b-=old", "", nil, Follow, "b"},
		{"one of two that changed places", "a b", "a=at-b b=at-a", "", nil, Vote, "a"},
		{"who takes the place of one that moved waits for it", "a b", "a=old b=at-a", "", nil, Vote, "b"},
		{"five voters are enough", "a b c d e f", "a b c d e f-", "", nil, None, ""},
		{"a sixth takes a free place", "a b c d f", "a b c d f-", "", nil, Vote, "f"},
		{"an empty roster removes nobody's leader", "", "a", "", nil, None, ""},
		{"a free place goes where fewest vote", "a@x b@x c@y d@x e@z", "a b c d- e-", "", func(s *Situation) { s.Max = 4 }, Vote, "e"},

		{"a dead voter is replaced", "a b c d e f", "a b c d e f-", "e", nil, Vote, "f"},
		{"then it loses its vote", "a b c d e f", "a b c d e f", "e", nil, Demote, "e"},
		{"by one of its site", "a@x b@x c@x d@x e@y f@x g@y", "a b c d e f- g-", "e", nil, Vote, "g"},
		{"by another one where its site has none", "a@x b@x c@x d@x e@y f@x", "a b c d e f-", "e", nil, Vote, "f"},
		{"not before its time", "a b c d e f", "a b c d e f-", "e?", nil, None, ""},
		{"never, when the option says so", "a b c d e f", "a b c d e f-", "e", func(s *Situation) { s.Dead = 0 }, None, ""},
		{"not by a dead one", "a b c d e f", "a b c d e f-", "e f", nil, None, ""},
		{"not by one that shall not vote", "a b c d e f-", "a b c d e f-", "e", nil, None, ""},
		{"who is back follows", "a b c d e f", "a b c d e- f", "", nil, None, ""},
		{"nothing without a quorum", "a b c d", "a b c d-", "b c", func(s *Situation) { s.Max = 3 }, None, ""},
		{"fewer voters by an option", "a b c d e", "a b c d e", "", func(s *Situation) { s.Max = 3 }, Demote, "b"},
		{"the dead one first", "a b c d e", "a b c d e", "d?", func(s *Situation) { s.Max = 3 }, Demote, "d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation(c.roster, c.group, c.dead)
			if c.change != nil {
				c.change(&s)
			}
			if got := Plan(s); got.Action != c.want || got.ID != c.id {
				t.Fatalf("got %+v", got)
			}
		})
	}
}
