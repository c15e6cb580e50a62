package session

import (
	"slices"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// updateUserData changes the user data of one of this node's calls.
func (s *session) updateUserData(m *tlibpb.UpdateUserData, ref uint64) {
	id := call.ID(m.GetConnId())
	put, del := changed(m.GetUserData())
	err := call.CheckUserData(m.GetUserData())
	found := false
	var last *call.Call
	for _, c := range s.c.cfg.Calls.Mine(id) {
		if err == nil && s.mayChange(c) {
			found, err = s.c.cfg.Calls.Update(c.ID, put, del...)
			last, _ = s.c.cfg.Calls.Get(c.ID)
		}
	}
	switch {
	case err != nil:
		s.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%v", err))
		return
	case !found:
		s.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_CONN_ID, "call %.32s is over, or another node's: ask at the node that has it", id))
		return
	}
	e := answer(ref, "", &tlibpb.Event_AttachedDataChanged{AttachedDataChanged: &tlibpb.EventAttachedDataChanged{Call: wholeCall(id, last)}})
	e.Owner, e.Site = s.feeder.events.nameAndSite(s.c.table.Self())
	s.out.add(e)
}

// distribute tells the clients of all nodes what this one has to say.
func (s *session) distribute(m *tlibpb.DistributeUserEvent, ref uint64) {
	conn, n, data := call.ID(m.GetConnId()), dn.Number(m.GetDn()), m.GetUserData()
	var err *refusal.Error
	switch wrong := call.CheckUserData(data); {
	case wrong != nil:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%v", wrong)
	case (conn == "") == (n == ""):
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a user event is for a dn, or for the parties of a conn_id")
	case n != "" && s.c.view().DN(string(n)) == nil:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %.64s is not configured", n)
	case conn != "" && !slices.ContainsFunc(s.c.cfg.Calls.Known(conn), s.mayChange), !s.c.cfg.Calls.Distribute(conn, n, data):
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_CONN_ID, "call %.32s is not up", conn)
	}
	if err != nil {
		s.out.refuse(ref, n, err)
		return
	}
	body := &tlibpb.EventUserEvent{UserData: data}
	if conn != "" {
		body.Call = wholeCall(conn, nil)
	}
	e := answer(ref, n, &tlibpb.Event_UserEvent{UserEvent: body})
	e.Owner, e.Site = s.feeder.events.nameAndSite(s.c.table.Self())
	s.out.add(e)
}

// mayChange tells whether the client's scope has a party of the call in it, or the routing
// point where it waits or was last.
func (s *session) mayChange(c *call.Call) bool {
	if !s.who.Bounded() {
		return true
	}
	view, at := s.c.view(), c.LastQueue
	if c.Queue != nil {
		at = c.Queue.RP
	}
	return at != "" && s.who.Hears(view.DN(string(at))) ||
		slices.ContainsFunc(c.Parties, func(p call.Party) bool { return s.who.Hears(view.DN(string(p.DN))) })
}

// wholeCall is a call of this node as nobody's in particular; c is nil when it is over.
func wholeCall(id call.ID, c *call.Call) *tlibpb.Call {
	is := &tlibpb.Call{ConnId: string(id), CallUuid: callUUID(id)}
	if c != nil {
		is.Ani, is.Dnis, is.UserData, is.CallType, is.ThisQueue = c.ANI, c.DNIS, c.UserData, tlibpb.CallType(c.Type), string(c.LastQueue)
	}
	return is
}

// releaseCall ends one of this node's calls.
func (s *session) releaseCall(m *tlibpb.ReleaseCall, ref uint64) {
	id, n := call.ID(m.GetConnId()), dn.Number(m.GetDn())
	c := s.partOf(id, n)
	var err *refusal.Error
	switch {
	case s.c.cfg.Release == nil:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "this node ends no calls for clients")
	case c == nil:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_CONN_ID, "DN %.64s has no part in call %.32s of this node: ask at the node that has it", n, id)
	case c.Parties[0].State != call.StateEstablished:
		err = refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "call %s is not answered yet", id)
	}
	if err != nil {
		s.out.refuse(ref, n, err)
		return
	}
	s.c.cfg.Release(c.ID)
	e := answer(ref, n, &tlibpb.Event_Released{Released: &tlibpb.EventReleased{Call: wholeCall(id, c), End: ending(0, "")}})
	e.Owner, e.Site = s.feeder.events.nameAndSite(s.c.table.Self())
	s.out.add(e)
}

// partOf is the call of this node that a DN has part in by a ConnID, the last one of those
// that go on one by another; nil for none.
func (s *session) partOf(conn call.ID, n dn.Number) (last *call.Call) {
	for _, c := range s.c.cfg.Calls.Mine(conn) {
		if c.Party(n, call.Caller) != nil || c.Party(n, call.Called) != nil {
			last = c
		}
	}
	return last
}

// changed are the keys to set, and those to take away, which have empty values.
func changed(data map[string]string) (put map[string]string, del []string) {
	put = map[string]string{}
	for k, v := range data {
		if v == "" {
			del = append(del, k)
		} else {
			put[k] = v
		}
	}
	return put, del
}
