package proxy

import (
	"context"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// catchUp takes the configuration of now. It is called before anybody is served.
func (t *trunks) catchUp() {
	if t.changed(fsm.Changes{All: true, Nodes: true}) {
		t.index()
	}
}

// follow keeps up with the configuration until ctx ends.
func (t *trunks) follow(ctx context.Context) error {
	w := t.machine.Watch()
	defer w.Close()
	if t.own.note() { // the port knows how it is reached by now
		t.book.Recheck()
	}
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return ctx.Err()
		}
		if c.Nodes && t.own.note() {
			t.book.Recheck()
		}
		if t.changed(c) {
			t.index()
		}
		if c.All || c.Options {
			t.book.Wake()
		}
	}
}

func (t *trunks) changed(c fsm.Changes) (news bool) {
	news = c.Nodes
	v := t.machine.View()
	if c.All {
		for d := range v.Trunks() {
			news = t.take(d.GetNumber(), d) || news
		}
		for _, n := range t.numbers() {
			news = t.take(string(n), v.DN(string(n))) || news
		}
	}
	for _, n := range c.DNs {
		news = t.take(n, v.DN(n)) || news
	}
	return news
}

func (t *trunks) numbers() (list []dn.Number) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for n := range t.byDN {
		list = append(list, n)
	}
	return list
}
