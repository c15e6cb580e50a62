package dn

// DeskWay is the way of a registration by a client, which has no line: a private one
// excludes those of clients at other nodes that are older, and any later one excludes it.
// That follows from the claims: of a private registration every node knows by its record.
func DeskWay(private bool) Way {
	if private {
		return Way{Flow: 2}
	}
	return Way{Flow: 1}
}

// desk tells whether a client registered the DN.
func (w Way) desk() bool { return w == DeskWay(false) || w.private() }

func (w Way) private() bool { return w == DeskWay(true) }

// Desks hands over the DNs that clients have registered at this node, or may have, and
// clients of a peer since. It has a single reader.
func (t *Table) Desks() *Superseded { return &t.desks }

// noteDesk notes what a peer's record means to registrations by clients of this node;
// was is its record before, mine what this node loses by it, nil for nothing.
func (t *Table) noteDesk(n Number, rec, was, mine *record) {
	if mine != nil && mine.way.desk() || rec.way.private() && rec.claim != was.claim {
		t.desks.add(Superseding{Number: n, ClaimTime: rec.claim})
	}
}
