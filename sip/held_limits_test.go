package sip

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestHeld_AConnectionWithoutRegistrationEndsWhenIdle: that of a phone that took
// its registration back, or whose registration ended, like that of one that
// never had any; one that is registered stays.
func TestHeld_AConnectionWithoutRegistrationEndsWhenIdle(t *testing.T) {
	for name, c := range map[string]struct {
		register time.Duration
		leave    func(ctx context.Context, u *siptest.UA) (*siptest.Response, error)
		stays    bool
	}{
		"registered":      {time.Hour, nil, true},
		"un-registered":   {time.Hour, func(ctx context.Context, u *siptest.UA) (*siptest.Response, error) { return u.Unregister(ctx) }, false},
		"all taken back":  {time.Hour, func(ctx context.Context, u *siptest.UA) (*siptest.Response, error) { return u.UnregisterAll(ctx) }, false},
		"its time is out": {time.Minute, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 1)
				u := e.n1.stranger("tcp", "1001")
				if res, err := u.Register(e.ctx, c.register); err != nil || res.Code != 200 {
					t.Fatal(res, err)
				}
				if c.leave != nil {
					if res, err := c.leave(e.ctx, u); err != nil || res.Code != 200 {
						t.Fatal(res, err)
					}
				}
				<-time.After(2*wire.IdleFlow - time.Minute)
				synctest.Wait()
				if n := e.n1.server.Held()["sip_connections"]; n == 1 != c.stays {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// TestHeld_ConnectionsGiveTheirPlacesBack: those that end by themselves, and
// those that end because they are silent.
func TestHeld_ConnectionsGiveTheirPlacesBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEndingOf(t, 1, func(c *Config) { c.MaxConnections = places })
		for round := range 3 {
			var there []*siptest.UA
			for range places {
				u := e.n1.stranger("tcp", "1001")
				if res, err := u.Options(e.ctx); err != nil || res.Code != 200 {
					t.Fatal(round, res, err)
				}
				there = append(there, u)
			}
			one := e.n1.stranger("tcp", "1001")
			if res, err := one.Options(e.ctx); err == nil {
				t.Errorf("one more connection than there may be: %d", res.Code)
			}
			if round == 1 {
				<-time.After(wire.IdleFlow)
			} else {
				for _, u := range there {
					u.Close()
				}
			}
			leftover.None(t, time.Minute, e.n1.server)
		}
	})
}

// TestHeld_AnsweredRequestsMakeRoom: a connection may ask as often as it likes,
// one request after the other.
func TestHeld_AnsweredRequestsMakeRoom(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 1)
		u := e.n1.stranger("tcp", "1001")
		began := time.Now()
		for i := range 3 * wire.MaxUnanswered {
			if res, err := u.Options(e.ctx); err != nil || res.Code != 200 {
				t.Fatal(i, res, err)
			}
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the answers took %v", d)
		}
		synctest.Wait() // the answer comes before it is noted
		if n := e.n1.server.Held()["sip_unanswered"]; n != 0 {
			t.Errorf("%d are unanswered", n)
		}
	})
}
