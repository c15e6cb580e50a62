package check

import "fmt"

// wrongClock is S17: while only a clock is wrong no view changes, and no
// registration ends earlier or later than it should.
func wrongClock(m *model) ([]Finding, int) {
	return m.broken("S17", func(c *contradiction) string {
		if c.kind == undead {
			return fmt.Sprintf("%s showed %s as InSrv after its lifetime at %s, while a clock was wrong", c.first.node, dnWord(c.dns), c.want)
		}
		return fmt.Sprintf("%s did not show %s as InSrv at %s while only a clock was wrong", c.first.node, dnWord(c.dns), c.want)
	}), m.looked["S17"]
}
