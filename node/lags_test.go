package node

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/lag"
	"github.com/sipcluster/sipcluster/node/problem"
)

// A node that is behind for a moment is no fault; one that stays behind is named, with
// when it began.
func TestLags_TheLastingOnesAreProblems(t *testing.T) {
	for _, tc := range []struct {
		lag  lag.Lag
		want string
	}{
		{lag.Lag{}, ""},
		{lag.Lag{Entries: 9000, For: lagWorth - 1}, ""},
		{lag.Lag{Entries: 3, For: lagWorth}, "node n2 is 3 entries of the configuration behind: look at its disk, its load and its line to the leader"},
	} {
		got := ""
		late("n2", tc.lag, func(p problem.Problem) {
			got = p.String()
			if d := time.Since(p.Since) - tc.lag.For; d < 0 || d > time.Minute || p.Code != "configuration-lags" || p.Subject != "n2" {
				t.Errorf("%+v", p)
			}
		})
		if got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.lag, got, tc.want)
		}
	}
}

// Whether a node votes is Raft's to say; who is to have the log first is a learner.
func TestLags_Roles(t *testing.T) {
	voter, free := &configpb.Node{Id: "v"}, &configpb.Node{Id: "f"}
	unwanted, fresh := &configpb.Node{Id: "u", NonVoter: true}, &configpb.Node{Id: "new"}
	group := map[string]bool{"v": true, "f": false, "u": false}
	for _, tc := range []struct {
		node   *configpb.Node
		behind uint64
		known  bool
		want   string
	}{
		{voter, 100_000, true, "voter"},
		{free, caughtUp, true, "non-voter"},
		{free, caughtUp + 1, true, "learner"},
		{free, 0, false, "learner"},
		{unwanted, 100_000, true, "non-voter"},
		{fresh, 0, true, "learner"},
		{nil, 0, true, ""},
	} {
		if got := roleOf(group, tc.node, tc.behind, tc.known); got != tc.want {
			t.Errorf("%v, %d behind, known %v: %q, want %q", tc.node, tc.behind, tc.known, got, tc.want)
		}
	}
	if got := roleOf(nil, voter, 0, true); got != "" {
		t.Errorf("a node whose configuration plane failed says %q", got)
	}
}
