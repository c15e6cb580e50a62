package sip

import (
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/refer"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// ErrNoPhone is refer.ErrNoPhone.
var ErrNoPhone = refer.ErrNoPhone

// Refer asks a phone that registered the DN here to call a number (refer.Referrer).
func (s *Server) Refer(n dn.Number, number string, heard func(refer.Word)) error {
	if s.referrer == nil {
		return ErrNoPhone
	}
	return s.referrer.Refer(n, number, heard)
}

// notified answers a NOTIFY of a phone that was asked to make a call.
func (g *gate) notified(in *wire.Arrival) bool {
	if string(in.Msg.Method) != "NOTIFY" || g.notify == nil || !g.notify(&in.Msg) {
		return false
	}
	in.Answer = answer.Answer{Code: 200, Reason: "OK"}
	g.refuse(in, in.Source)
	return true
}
