package enrolment

import "time"

const (
	// passAfter is for how long none of a carrier's addresses has answered when a node
	// passes its turn on, backAfter for how long one has when it takes it again: so a line
	// that comes and goes moves no registration to and fro.
	passAfter, backAfter = 10 * time.Second, time.Minute
	// deafAfter is how many REGISTERs in a row nobody answers until then, where the
	// addresses are not asked, or answer OPTIONS alone; each address has one at least.
	deafAfter = 3
)

// reach is whether this node reaches the carrier of a trunk.
type reach struct {
	// of are the carrier's addresses by the configuration.
	of string
	// down: no address answers.
	down bool
	// other is since when the addresses answer, or do not, other than down says; the zero
	// time: it is as it says.
	other time.Time
	// unheard are the REGISTERs that nobody has answered since one was, of how many
	// addresses.
	unheard, addresses int
}

// passes tells whether this node passes its turn on.
func (r *reach) passes() bool {
	return r.down || r.unheard >= max(deafAfter, r.addresses)
}

// seen takes how many addresses answer now; at is when it is to be told again at the latest,
// the zero time for never.
func (r *reach) seen(addresses int, now time.Time) (at time.Time) {
	if addresses > 0 {
		r.addresses = addresses
	}
	if down := addresses == 0; down == r.down {
		r.other = time.Time{}
		return at
	}
	if r.other.IsZero() {
		r.other = now
	}
	at = r.other.Add(passAfter)
	if r.down {
		at = r.other.Add(backAfter)
	}
	if now.Before(at) {
		return at
	}
	r.down, r.other = !r.down, time.Time{}
	return time.Time{}
}

// answered takes the end of a REGISTER: any answer says that the carrier is reached.
func (r *reach) answered(a Answer) {
	if a.Code == 0 {
		r.unheard++
		return
	}
	r.unheard, r.down, r.other = 0, false, time.Time{}
}
