package fsm

import (
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// MaxDIDs of a DN.
const MaxDIDs = 32

// ByDID returns the DN that the public network calls by a number in E.164 form, with or
// without a plus; nil when there is none.
func (v *View) ByDID(number string) *configpb.DN {
	e, _ := v.dids.Get(entry[configpb.DN]{key: didKey(number)})
	return e.val
}

func didKey(number string) string { return strings.TrimPrefix(number, "+") }

// claimed is a number that a DN has taken from another one within a command.
type claimed struct {
	mutation int
	did      string
	by, from string
}

// reach indexes a DN by its numbers, in place of what it was before.
func (d *draft) reach(mutation int, old, dn *configpb.DN) {
	d.view.unreach(old)
	for _, did := range dn.GetDids() {
		if other := d.view.ByDID(did).GetNumber(); other != "" && other != dn.GetNumber() {
			d.claims = append(d.claims, claimed{mutation, did, dn.GetNumber(), other})
		}
	}
	d.view.reach(dn)
}

func (v *View) reach(dn *configpb.DN) {
	for _, did := range dn.GetDids() {
		v.dids.ReplaceOrInsert(entry[configpb.DN]{didKey(did), dn})
	}
}

func (v *View) unreach(dn *configpb.DN) {
	for _, did := range dn.GetDids() {
		if v.ByDID(did) == dn {
			v.dids.Delete(entry[configpb.DN]{key: didKey(did)})
		}
	}
}

// twice are the numbers that two DNs have behind the command.
func (d *draft) twice() (all []*Rejection) {
	for _, c := range d.claims {
		if has(d.view.DN(c.by), c.did) && has(d.view.DN(c.from), c.did) {
			all = append(all, reject(ErrConflict, "DN %s: %s is a did of DN %s: take it off there first", c.by, c.did, c.from).at(c.mutation))
		}
	}
	return all
}

func has(dn *configpb.DN, did string) bool {
	for _, other := range dn.GetDids() {
		if didKey(other) == didKey(did) {
			return true
		}
	}
	return false
}

// checkNumbers checks by what a DN is called, and how it is told of.
func checkNumbers(d *configpb.DN) *Rejection {
	n, kind := d.GetNumber(), d.GetKind()
	phone := kind == configpb.DNKind_DN_KIND_SIP || kind == configpb.DNKind_DN_KIND_PSTN
	switch {
	case !phone && kind != configpb.DNKind_DN_KIND_ROUTING_POINT && len(d.GetDids()) > 0:
		return reject(ErrInvalid, "DN %s: only kinds sip, pstn and routing-point have dids", n)
	case !phone && d.GetCallerId() != nil:
		return reject(ErrInvalid, "DN %s: only kinds sip and pstn have a caller_id of their own", n)
	case len(d.GetDids()) > MaxDIDs:
		return reject(ErrInvalid, "DN %s: %d dids, at most %d are possible", n, len(d.GetDids()), MaxDIDs)
	}
	for i, did := range d.GetDids() {
		if !validExternal(did) {
			return reject(ErrInvalid, "DN %s: dids: %.40q is not a number in E.164 form, as +15551234567", n, did)
		}
		if has(&configpb.DN{Dids: d.GetDids()[:i]}, did) {
			return reject(ErrInvalid, "DN %s: did %s is named twice", n, did)
		}
	}
	return checkCallerID(n, d.GetCallerId())
}
