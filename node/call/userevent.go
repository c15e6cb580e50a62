package call

import (
	"maps"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Distribute tells the clients of all nodes something of a client's: those that hear of a
// DN or, with a ConnID, of each party of that call as it is known here. False: nobody is
// told, there is no such call.
func (t *Table) Distribute(conn ID, n dn.Number, data map[string]string) bool {
	e := &Event{Kind: UserEvent, Node: t.cfg.Self, ThisDN: n, Role: Called, Time: t.now(), Data: maps.Clone(data)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if conn == "" {
		t.distribute(e)
		return true
	}
	found := false
	for _, x := range t.known(conn) {
		c := t.asSeen(x.call)
		for i := 0; c != nil && i < len(c.Parties); i++ {
			p := &c.Parties[i]
			of := *e
			of.Call, of.ThisDN, of.Role, of.OtherDN, of.Info, found = c.ID, p.DN, p.Role, p.Other, c.Info, true
			t.distribute(&of)
		}
	}
	return found
}

func (t *Table) distribute(e *Event) {
	t.visible.add(e)
	t.own.add(e)
}

// userEvent takes one that was asked for at the peer. False: it is refused.
func (c *Copy) userEvent(e *Event) bool {
	if e.Call != "" && !e.Call.Valid() || e.Role >= roles || !soundTime(e.Time) || !dn.ValidNumber(string(e.ThisDN)) || shown(e.OtherDN) != e.OtherDN || CheckUserData(e.Data) != nil {
		return false
	}
	e.Node, e.Info = c.o.id, nil
	if of := c.t.calls[e.Call]; of != nil {
		e.Info = of.call.Info
	}
	c.t.visible.add(e)
	return true
}

// Known are the calls with that ConnID, of whatever node, that clients see.
func (t *Table) Known(conn ID) (list []*Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.known(conn) {
		list = append(list, e.call)
	}
	return list
}

func (t *Table) known(conn ID) (list []*entry) {
	for _, e := range append([]*entry{t.calls[conn]}, t.heirs[conn]...) {
		if e != nil && e.visible() && e.call.Conn() == conn {
			list = append(list, e)
		}
	}
	return list
}
