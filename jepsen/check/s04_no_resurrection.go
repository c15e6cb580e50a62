package check

import "fmt"

// noResurrection is S4: a DN whose last registration surely ended is OOS
// everywhere; the end of an older binding never removes a newer one.
func noResurrection(m *model) ([]Finding, int) {
	return m.broken("S4", func(c *contradiction) string {
		if c.kind == undead {
			return fmt.Sprintf("%s showed %s as InSrv although the last registration, at %s, had ended", c.first.node, dnWord(c.dns), c.want)
		}
		return fmt.Sprintf("%s showed %s as %s although a newer registration at %s was acknowledged and had not ended",
			c.first.node, dnWord(c.dns), c.first.row.Reason, c.want)
	}), m.looked["S4"]
}
