package check

import "fmt"

// ownImmune is S2: a DN with an acknowledged registration that did not end is
// InSrv at its node, whatever happens elsewhere.
func ownImmune(m *model) ([]Finding, int) {
	return m.broken("S2", func(c *contradiction) string {
		return fmt.Sprintf("%s did not list its own %s as InSrv although the registration was acknowledged and had not ended",
			c.first.node, dnWord(c.dns))
	}), m.looked["S2"]
}
