package proxy

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// resolveEvery is how often the names of gateways are looked up again.
const resolveEvery = time.Minute

// follow keeps up with the configuration, and with the names' addresses.
func (t *trunks) follow(ctx context.Context) error {
	changes := make(chan fsm.Changes)
	go func() {
		defer close(changes)
		w := t.machine.Watch()
		defer w.Close()
		for {
			c, err := w.Next(ctx)
			if err != nil {
				return
			}
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	again := time.NewTicker(resolveEvery)
	defer again.Stop()
	for t.resolve(ctx); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
			t.resolve(ctx)
		case c, ok := <-changes:
			if !ok {
				return ctx.Err()
			}
			if t.changed(c) {
				t.resolve(ctx)
			}
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

// resolve looks names up; one that is not found keeps its last address.
func (t *trunks) resolve(ctx context.Context) {
	for _, n := range t.numbers() {
		t.mu.RLock()
		k := t.byDN[n]
		t.mu.RUnlock()
		if k == nil {
			continue
		}
		if addr, err := lookUp(ctx, k.configured().GetAddress()); err == nil {
			t.mu.Lock()
			if t.byDN[n] == k {
				t.byDN[n] = &trunk{number: n, config: k.config, addr: addr}
			}
			t.mu.Unlock()
		}
	}
	t.index()
}
