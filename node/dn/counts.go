package dn

// Class is what the configuration makes of a DN: those of each are counted apart.
type Class uint8

const (
	// Served: its registrations say its state.
	Served Class = iota
	// Stray: it is registered, and not configured.
	Stray
	// Shut: whatever is registered, the configuration says its state.
	Shut
	classes
)

// Counts of a table.
type Counts struct {
	// Known DNs: those with a record of any node.
	Known int
	// InSrv are in service, seen from here.
	InSrv int
	// Owned by this node.
	Owned int
	// Backed are in service, and another node has them at once when the owner is lost.
	Backed int
	// Unreached are trunks that this node does not reach; their class does not matter.
	Unreached int
}

// Counts of the DNs of some classes, or of all where none is named. It costs the same
// however many DNs there are.
func (t *Table) Counts(of ...Class) (c Counts) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(of) == 0 {
		of = []Class{Served, Stray, Shut}
	}
	c.Unreached = t.unreached
	for _, k := range of {
		c.Known += t.known[k]
		c.Owned += t.nodes[0].tally[k].owned
		for _, o := range t.nodes {
			if o != nil && o.heard {
				c.InSrv += o.tally[k].owned
				c.Backed += o.tally[k].backed
			}
		}
	}
	return c
}

// OwnedBy counts the DNs that are registered at a node, whether it is heard or not.
func (t *Table) OwnedBy(id Node) (owned int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, o := t.find(id); o != nil {
		for _, k := range o.tally {
			owned += k.owned
		}
	}
	return owned
}

// OwnedDNs calls fn for the DNs that OwnedBy counts, as Range does. It costs what it finds.
func (t *Table) OwnedDNs(id Node, after Number, fn func(Status) bool) {
	t.mu.RLock()
	_, o := t.find(id)
	t.mu.RUnlock()
	if o != nil {
		t.visit(o.owns, after, fn)
	}
}

// tally counts DNs of a class that a node owns, whether it is heard or not.
type tally struct{ owned, backed int }

// share is what an entry adds to the counts.
type share struct {
	// holder is the node that counts the DN among its own, and one more; 0 for none.
	holder uint8
	class  Class
	// backed: another node that is heard has it too.
	backed bool
	// unreached: it is a trunk that this node does not reach.
	unreached bool
}

// settleOwner keeps the nodes' counts when the entry's holder changed.
func (t *Table) settleOwner(e *entry) {
	is := share{class: e.share.class}
	switch b := t.best(e); {
	case b == nil:
	case b.local():
		is.unreached = b.state == OOS
	case b.state == InSrv:
		is.holder, is.backed = b.node+1, t.standby(e, b.node) != nil
	}
	t.count(e, is)
}

// classify takes what the configuration says of the entry now.
func (t *Table) classify(e *entry) {
	is := e.share
	class, groups := t.cfg.Configured(e.number)
	is.class = class
	if is.class != e.share.class {
		t.known[e.share.class]--
		t.known[is.class]++
		t.count(e, is)
	}
	t.regroup(e, groups)
}

func (t *Table) count(e *entry, is share) {
	if was := e.share.holder; was != is.holder {
		if was != 0 {
			t.nodes[was-1].owns.drop(e)
		}
		if is.holder != 0 {
			t.nodes[is.holder-1].owns.add(e)
		}
	}
	if was := e.share; is != was {
		t.add(was, -1)
		t.add(is, 1)
		e.share = is
		if was.holder != is.holder {
			t.list(e, was.holder-1)
			t.list(e, is.holder-1)
		}
	}
}

// list has the entry among those beside what a peer owns, or not. It is called when one
// of the three changed: what the peer says, what clients are told, who holds it.
func (t *Table) list(e *entry, node uint8) {
	if node == 0 || int(node) >= len(t.nodes) || t.nodes[node] == nil { // this one, or none
		return
	}
	o := t.nodes[node]
	if e.share.holder != node+1 && (e.by(node) != nil || e.toldAt(node)) {
		o.beside.add(e)
	} else {
		o.beside.drop(e)
	}
}

func (t *Table) add(s share, n int) {
	if s.unreached {
		t.unreached += n
	}
	if s.holder == 0 {
		return
	}
	k := &t.nodes[s.holder-1].tally[s.class]
	k.owned += n
	if s.backed {
		k.backed += n
	}
}
