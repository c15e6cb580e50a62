package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	// nodeGrace is the least time that desktops have to come back when their node was
	// lost, or is started again: that was no doing of theirs.
	nodeGrace = 30 * time.Second
	// lossRetry is the pause before a DN's keeper who could not be told is told again.
	lossRetry = time.Second
)

// DesktopOf is what holds for a DN that desktops keep in service.
func DesktopOf(view *fsm.View, n dn.Number) dn.Desktop {
	grace := time.Duration(view.Options().GetDesktopGraceS()) * time.Second
	return dn.Desktop{Loss: lossOf(view.Rules(view.DN(string(n)), nil)), Grace: max(grace, nodeGrace)}
}

func lossOf(rules configpb.Rules) dn.Loss {
	switch rules.DesktopLost {
	case configpb.DesktopLost_DESKTOP_LOST_NOT_READY:
		return dn.LossNotReady
	case configpb.DesktopLost_DESKTOP_LOST_LOGOUT:
		return dn.LossLogout
	}
	return dn.LossKeep
}

// bereave makes of a record what the rules want of an agent whose desktop is gone. False:
// nothing changes.
func bereave(r *dn.Record, rules configpb.Rules, now int64) bool {
	a := lossOf(rules).Of(r.Agent, r.AgentLeft > 0, now)
	changed := a != r.Agent
	if changed {
		r.Agent, r.AgentLeft = a, 0
	}
	return changed
}

// watchDesktop plans, after a restart, the end of the time in which a desktop may come
// back to a DN that this node had.
func (reg *Registry) watchDesktop(r *dn.Record) {
	if r.State == dn.OOS && r.Reason == dn.DesktopLost {
		reg.schedule.planAt(alarm{n: r.Number, what: endDesktop}, time.Now().Add(DesktopOf(reg.cfg.View(), r.Number).Grace))
	}
}

// endDesktop: the desktop has not come back.
func (reg *Registry) endDesktop(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		view := reg.cfg.View()
		if !ok || r.State != dn.OOS || !bereave(&r, view.Rules(view.DN(string(n)), nil), time.Now().UnixNano()) {
			return
		}
		if _, ok := reg.table.Amend(r); ok {
			reg.sync(n)
			return
		}
	}
}

// losses are the DNs whose keepers are to be told that the agent's desktop, which was
// connected here, is gone.
type losses struct {
	mu sync.Mutex
	// of is nil when nobody tells them any more.
	of   map[dn.Number]struct{}
	more wake.Signal
}

func newLosses() *losses { return &losses{of: map[dn.Number]struct{}{}, more: wake.New()} }

// Desktop says whether a DN that its phone has in service has a desktop at this node. It
// does not wait: the DN's keeper is told of a loss as soon as it can be.
func (reg *Registry) Desktop(n dn.Number, there bool) {
	l := reg.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case there:
		delete(l.of, n)
	case l.of != nil && DesktopOf(reg.cfg.View(), n).Loss != dn.LossKeep:
		l.of[n] = struct{}{}
		l.more.Send()
	}
}

func (l *losses) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of = nil
}

func (l *losses) all() []dn.Number {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]dn.Number, 0, len(l.of))
	for n := range l.of {
		all = append(all, n)
	}
	return all
}

func (l *losses) told(n dn.Number) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, n)
}

// tellLosses tells the keepers until the context ends.
func (reg *Registry) tellLosses(ctx context.Context) error {
	defer reg.losses.stop()
	retry := time.NewTimer(lossRetry)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reg.losses.more:
		case <-retry.C:
		}
		left := false
		for _, n := range reg.losses.all() {
			_, err := reg.SetAgent(ctx, n, Change{Request: peerpb.AgentRequest_AGENT_REQUEST_DESKTOP_LOST})
			var refused *refusal.Error
			if errors.As(err, &refused) && (refused.Code == tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE || refused.Code == tlibpb.ErrorCode_ERROR_CODE_TIMEOUT) {
				left = true
				continue
			}
			reg.losses.told(n)
		}
		if left {
			retry.Reset(lossRetry)
		}
	}
}
