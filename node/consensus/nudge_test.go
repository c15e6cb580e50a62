package consensus

import (
	"testing"
	"time"
)

// An idle leader tells what is committed each hour here: who has to know it earlier is told.
func TestNudge_TellsWhatIsCommittedWhenNothingIsWritten(t *testing.T) {
	c, n := threeOf(t, func(m *member) { m.news = time.Hour })
	leader := c.leader(n[:]...)
	back := followers(leader, n[:]...)[0]
	back.kill()
	leader.write(1000)
	back.start("")
	c.waitFor("who is back knows what was written meanwhile", func() bool { return back.machine.View().DN("1000") != nil })

	c.leader(n[:]...)
	c.equal(n[:]...)
	last := leader.group.raft.LastIndex()
	if err := leader.group.raft.LeadershipTransfer().Error(); err != nil {
		t.Fatal(err)
	}
	c.waitFor("all know what the new leader began with", func() bool {
		for _, m := range n {
			if m.group.raft.CommitIndex() <= last {
				return false
			}
		}
		return true
	})
}
