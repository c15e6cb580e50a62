package node

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/quota"
	"github.com/sipcluster/sipcluster/sip/enrolment"
)

// trunkSamples are those of trunks: their addresses, calls and registrations.
func (n *Node) trunkSamples(emit func(api.Sample)) {
	addresses, down := n.sip.Trunks()
	emit(api.Sample{Name: "trunk_addresses", Help: "Addresses of trunks.", Value: float64(addresses)})
	emit(api.Sample{Name: "trunk_addresses_down", Help: "Addresses of trunks at which nobody answers this node.", Value: float64(down)})
	for d := range n.machine.View().Trunks() {
		trunk := dn.Number(d.GetNumber())
		n.addressSamples(trunk, emit)
		if s, ok := n.sip.Registered(trunk); ok {
			registrationSamples(trunk, s, s.Node == n.table.Self(), time.Now(), emit)
		}
	}
	for _, t := range n.routing.Trunks() {
		callSamples(&t, emit)
	}
}

func (n *Node) addressSamples(trunk dn.Number, emit func(api.Sample)) {
	seen := map[string]bool{}
	for _, s := range n.sip.TrunkStates(trunk) {
		address := s.Address // a name that was not found
		if s.Way.Addr.IsValid() {
			address = s.Way.String()
		}
		if seen[address] {
			continue
		}
		seen[address] = true
		emit(api.Sample{Name: "trunk_address_up", Help: "1 while somebody answers this node at the address of the trunk.",
			Labels: []string{"trunk", string(trunk), "address", address}, Value: one(!s.Down)})
	}
}

// callSamples are the counts of a trunk's calls in a direction.
func callSamples(t *quota.Total, emit func(api.Sample)) {
	of := []string{"trunk", string(t.Trunk), "direction", t.Direction.String()}
	for class, calls := range t.Ended {
		if calls == 0 && class != 2 {
			continue
		}
		outcome := fmt.Sprintf("%dxx", class)
		if class == 0 {
			outcome = "none"
		}
		emit(api.Sample{Name: "trunk_calls_total", Help: "Calls by the trunk that were answered or failed at this node, by the class of the final response; one that goes on to the next trunk counts for both.",
			Counter: true, Labels: append(of[:4:4], "outcome", outcome), Value: float64(calls)})
	}
	emit(api.Sample{Name: "trunk_limited_total", Help: "Calls that a limit of the trunk, or its Retry-After, has held back.", Counter: true, Labels: of, Value: float64(t.Limited)})
	if t.Direction == quota.Out {
		emit(api.Sample{Name: "trunk_failovers_total", Help: "Addresses of the trunk that have not taken a call, which went on to the next one.", Counter: true, Labels: of[:2], Value: float64(t.Passed)})
	}
}

// registrationSamples are those of the account at a trunk's carrier.
func registrationSamples(trunk dn.Number, s enrolment.Status, turn bool, now time.Time, emit func(api.Sample)) {
	gauge := func(name, help string, v float64) {
		emit(api.Sample{Name: name, Help: help, Label: "trunk", LabelValue: string(trunk), Value: v})
	}
	gauge("trunk_registration_turn", "1 while it is this node's turn to register at the carrier.", one(turn))
	gauge("trunk_registered", "1 while this node's contact is registered at the carrier.", one(now.Before(s.Until)))
	gauge("trunk_registration_expires_timestamp_seconds", "Until when this node's contact is registered at the carrier; 0: it is not.", seconds(s.Until))
	gauge("trunk_registration_success_timestamp_seconds", "When the carrier took this node's registration the last time; 0 for never.", seconds(s.Succeeded))
	gauge("trunk_registration_failure_timestamp_seconds", "When the carrier refused it, or did not answer, the last time; 0 for never.", seconds(s.Failed))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds since the epoch, 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
