package check

import "fmt"

// survivesKill is S7: what was acknowledged before a kill -9 is there when the
// node serves again, until the end of its lifetime and
// not longer.
func survivesKill(m *model) ([]Finding, int) {
	agents, n := m.agents("S7")
	return append(agents, m.broken("S7", func(c *contradiction) string {
		if c.kind == undead {
			return fmt.Sprintf("%s showed %s as InSrv after its lifetime, which a restart of %s must not lengthen", c.first.node, dnWord(c.dns), c.want)
		}
		return fmt.Sprintf("%s lost %s over its restart although the registration was acknowledged and had not ended", c.first.node, dnWord(c.dns))
	})...), n + m.looked["S7"]
}
