package check

import "fmt"

// survivesKill is S7: what was acknowledged before a kill -9 is there when the
// node serves again, as far as its lifetime did not end.
func survivesKill(m *model) ([]Finding, int) {
	return m.broken("S7", func(c *contradiction) string {
		return fmt.Sprintf("%s lost %s over its restart although the registration was acknowledged and had not ended", c.first.node, dnWord(c.dns))
	}), m.looked["S7"]
}
