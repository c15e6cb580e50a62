package quota_test

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/quota"
)

func TestTable_CallsAtATime(t *testing.T) {
	q, now, l := quota.New(), time.Unix(100, 0), &configpb.TrunkLimit{Calls: 2}
	take := func(n string, d quota.Direction, want bool) func() {
		t.Helper()
		give, ok := q.Take(dn.Number(n), d, l, now)
		if ok != want || q.Full(dn.Number(n), d, l, now) && q.Calls(dn.Number(n), d) < 2 {
			t.Errorf("%s %d: taken %v", n, d, ok)
		}
		return give
	}
	one := take("gw", quota.In, true)
	take("gw", quota.In, true)
	refused := take("gw", quota.In, false)
	take("gw", quota.Out, true)
	refused() // gives nothing back
	take("gw", quota.In, false)
	one()
	one() // once only
	take("gw", quota.In, true)
	take("gw", quota.In, false)
	if n := q.Calls("gw", quota.In); n != 2 {
		t.Error(n, "calls")
	}
	if _, ok := q.Take("gw", quota.In, nil, now); !ok {
		t.Error("a trunk without a limit is refused")
	}
}

func TestTable_CallsInASecond(t *testing.T) {
	q, now, l := quota.New(), time.Unix(100, 0), &configpb.TrunkLimit{CallsPerS: 4}
	taken := func(at time.Duration, most int) (n int) {
		for range 10 {
			if full := q.Full("gw", quota.Out, l, now.Add(at)); full != (n >= most) {
				t.Errorf("after %v, %d calls: full %v", at, n, full)
			}
			if give, ok := q.Take("gw", quota.Out, l, now.Add(at)); ok {
				n++
				give()
			}
		}
		return n
	}
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 4}, {100 * time.Millisecond, 0}, {500 * time.Millisecond, 2}, {10 * time.Second, 4}, {9 * time.Second, 0}} {
		if n := taken(c.at, c.want); n != c.want {
			t.Errorf("after %v: %d calls, want %d", c.at, n, c.want)
		}
	}
}

func TestTable_ATrunkThatWantsToBeLeftAlone(t *testing.T) {
	q, now := quota.New(), time.Unix(100, 0)
	trunk := func(n string, revision uint64) *configpb.DN { return &configpb.DN{Number: n, Revision: revision} }
	q.Pause(trunk("gw", 5), 7*time.Second, now)
	q.Pause(trunk("other", 5), time.Hour, now)
	for at, want := range map[time.Duration]time.Duration{0: 7 * time.Second, 6 * time.Second: time.Second, 7 * time.Second: 0, time.Minute: 0} {
		if left := q.Paused(trunk("gw", 5), now.Add(at)); left != want {
			t.Errorf("after %v: %v more, want %v", at, left, want)
		}
	}
	if left := q.Paused(trunk("other", 5), now); left != quota.MaxPause {
		t.Error("at most", left)
	}
	if q.Paused(trunk("third", 5), now) != 0 {
		t.Error("another trunk is left alone too")
	}
	if left := q.Paused(trunk("gw", 6), now); left != 0 {
		t.Error("what was written since is left alone too", left)
	}
	q.Pause(trunk("gw", 6), 2*time.Second, now)
	q.Pause(trunk("gw", 5), time.Minute, now) // a call that had left before
	if left := q.Paused(trunk("gw", 6), now); left != 2*time.Second {
		t.Error("the trunk of now is left alone for", left)
	}
}
