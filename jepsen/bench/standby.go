package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// standby measures a phone that is registered at two nodes, of which the owner is killed
// or cut off: how long until a call by way of the third node rings at the other way.
func (b *bench) standby(ctx context.Context) error {
	return b.inOffice(ctx, func(ctx context.Context, o *office) error {
		caller, err := o.phone(ctx, peopleCaller, o.nodes[2], "udp")
		if err != nil {
			return err
		}
		var ways [2]*siptest.UA
		for i := range ways {
			if ways[i], err = o.way(ctx, i); err != nil {
				return err
			}
		}
		for _, kind := range []struct {
			what        string
			lose, back  func() error
			least, goal float64
		}{
			{"killed", func() error { o.nodes[0].Kill9(); return nil }, func() error { return o.nodes[0].Start(ctx) }, 50, 20},
			{"cut off", func() error { return o.CutOff(ctx, o.nodes[0]) }, func() error { return o.Heal(ctx) }, 1000, 800},
		} {
			if kind.what == "cut off" && !b.namespaces {
				b.report.skipped("standby", "the owner is cut off", b.missing)
				continue
			}
			var took []float64
			outages := 0
			for range b.trials {
				t, outs, err := o.switches(ctx, caller, ways[1], kind.lose)
				if err == nil {
					err = kind.back()
				}
				if err != nil {
					return fmt.Errorf("the owner is %s: %w", kind.what, err)
				}
				took, outages = append(took, t), outages+outs
				if err := pause(ctx, steady); err != nil {
					return err
				}
			}
			b.report.add("standby", "the owner is "+kind.what+": until a call rings at the other way, p50", quantile(took, 0.5), "ms", "")
			b.report.below("standby", "the same, worst", quantile(took, 1), "ms", kind.least, kind.goal)
			b.report.below("standby", "out-of-service events of the phone's DN meanwhile", float64(outages), "events", 1, 0)
		}
		return nil
	})
}

// way registers one of the ways of the phone at its node.
func (o *office) way(ctx context.Context, i int) (u *siptest.UA, err error) {
	n := o.nodes[i]
	place := n.Phones()
	err = place.Visit(func() (err error) {
		u, err = siptest.NewUA(siptest.Config{
			DN: firstAgent, Password: peopleSecret, Domain: o.realm, Local: place.IP().String(), Server: n.Addr(cluster.SIP).String(),
			Params: fmt.Sprintf(`;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000003001>";reg-id=%d`, i+1),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	o.phones = append(o.phones, u)
	return u, o.register1(ctx, u, firstAgent)
}

// switches has the phone's owner lost when all is well, and returns how long it takes until a call
// that is placed as soon as the third node has told of the other way rings there, and how often
// that node told that the DN is out of service.
func (o *office) switches(ctx context.Context, caller, standby *siptest.UA, lose func() error) (took float64, outages int, err error) {
	_, err = o.shown(ctx, o.nodes, firstAgent, "at the first node, and at the second one", func(s *tcpb.DNStatus) bool {
		return s.GetRoutable() && s.GetOwner() == o.nodes[0].Name() && s.GetStandby() == o.nodes[1].Name()
	})
	if err != nil {
		return 0, 0, err
	}
	watcher, err := observe(ctx, o.nodes[2])
	if err != nil {
		return 0, 0, err
	}
	defer watcher.close()
	start := time.Now()
	if err := lose(); err != nil {
		return 0, 0, err
	}
	_, err = watcher.await(ctx, 10*time.Second, func() bool {
		r := watcher.rows[firstAgent]
		return r.inSrv && r.owner == o.nodes[1].Name()
	})
	if err != nil {
		return 0, 0, err
	}
	at, err := o.refused(ctx, caller, standby)
	watcher.mu.Lock()
	defer watcher.mu.Unlock()
	return ms(at.Sub(start)), watcher.outs, err
}

// refused places a call to the phone, which refuses it, and returns when it rang there: the
// caller may hear of it later, by a 100 that takes its time.
func (o *office) refused(ctx context.Context, caller, phone *siptest.UA) (at time.Time, err error) {
	refused := make(chan error, 1)
	go func() {
		c, err := rings(ctx, phone, 10*time.Second)
		if at = time.Now(); err == nil {
			err = c.Refuse(486, "Busy Here")
		}
		refused <- err
	}()
	c, err := caller.Place(ctx, "sip:"+firstAgent+"@"+o.realm)
	if err == nil {
		if _, err = c.Await(ctx, 486); err == nil {
			err = c.Ack()
		}
	}
	return at, errors.Join(err, <-refused)
}
