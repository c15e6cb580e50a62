package agent

import (
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// nodeGrace is the least time that desktops have to come back when their node was
// lost, or is started again: that was no doing of theirs.
const nodeGrace = 30 * time.Second

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
