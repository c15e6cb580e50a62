package session

import (
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Who has a part of a snapshot is told no place: one that resumed there would
// never hear of the rest.
func TestPosition_NoneWithinASnapshot(t *testing.T) {
	o := newOffice(t)
	var many []*configpb.Mutation
	for i := range batchSize / 2 {
		many = append(many, pstnDN(fmt.Sprint(30000+i)))
	}
	o.write(many...)
	for i := range 3 * batchSize {
		o.table.Register(dn.Number(fmt.Sprint(50000+i)), dn.Registered)
	}
	w := o.connect(TCport, nil)
	e := w.ask(monitorAll(&tlibpb.MonitorAll{}))
	_, placed := w.messages()
	if n := len(w.heard()); n < 3*batchSize+batchSize/2 || placed != 0 {
		t.Errorf("%d events, %d messages within the snapshot had a place", n, placed)
	}
	if e.GetSeq() == 0 || w.position() < e.GetSeq() {
		t.Errorf("the snapshot ended at %d, told was %d", e.GetSeq(), w.position())
	}
}

// Where a DN can leave by its owner the node does not know what the client holds:
// it begins with a snapshot, wherever it was asked to go on.
func TestPosition_OfWhatTheOwnerDecidesIsNotResumed(t *testing.T) {
	for name, tc := range map[string]struct {
		port   Port
		filter *tlibpb.MonitorFilter
		resume bool
	}{
		"everything":   {TCport, nil, true},
		"a kind":       {TCport, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_DN}}, true},
		"an owner":     {TCport, &tlibpb.MonitorFilter{Owner: "n1"}, false},
		"own DNs":      {TCport, &tlibpb.MonitorFilter{OwnOnly: true}, false},
		"default port": {DefaultPort, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.table.Register("1001", dn.Registered)
			w := o.connect(tc.port, nil)
			e := w.ask(monitorAll(&tlibpb.MonitorAll{Filter: tc.filter}))
			w.hangUp()
			again := o.connect(tc.port, nil)
			end := again.ask(monitorAll(&tlibpb.MonitorAll{Filter: tc.filter, ResumeCursor: cursor(e.GetSeq(), 0)}))
			if end.GetResumed() != tc.resume {
				t.Errorf("resumed %v, want %v", end.GetResumed(), tc.resume)
			}
		})
	}
}

// A client that hears of a DN already, and then of all from an older place on,
// hears of no change twice.
func TestPosition_WhatWasHeardIsNotToldAgain(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1002", dn.Registered) // so that there is a place
	w := o.connect(TCport, nil)
	w.heard()
	w.says("EVENT_REGISTERED 1001 OOS", registerAddress("1001", shared))
	before := o.table.Head()
	claim := o.table.Register("1001", dn.Registered).ClaimTime
	w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered")
	o.says(lease("2002"))
	o.await("its change", func() bool { return o.table.Head() > before+1 })
	w.ask(monitorAll(&tlibpb.MonitorAll{ResumeCursor: cursor(before, 0)}))
	o.table.End("1001", claim, dn.Unregistered)
	w.wait("the end", func(e *tlibpb.Event) bool { return line(e) == "EVENT_DN_OUT_OF_SERVICE 1001  unregistered" })
	told := 0
	for _, l := range w.heard() {
		if l == "EVENT_DN_BACK_IN_SERVICE 1001 n1 registered" {
			told++
		}
	}
	if told != 0 {
		t.Errorf("told %d times again", told)
	}
}
