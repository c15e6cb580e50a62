package node

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// counted is the sum of the series of a metric at /metrics.
func (m *member) counted(t *testing.T, name string) (sum int) {
	t.Helper()
	_, page := m.get(t, "/metrics")
	for _, line := range regexp.MustCompile(`(?m)^sipcluster_`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(page, -1) {
		v, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(v)
	}
	return sum
}

// counts waits until a histogram has so many, all of them in its last bucket, in some time.
func (m *member) counts(t *testing.T, histogram, labels string, want int) {
	t.Helper()
	bucket, more := `le="\+Inf"`, ""
	if labels != "" {
		bucket, more = `(?:le="\+Inf",`+labels+`|`+labels+`,le="\+Inf")`, `\{`+labels+`\}`
	}
	for name, series := range map[string]string{"_count": "_count" + more, "_bucket": `_bucket\{` + bucket + `\}`} {
		await(t, m.cfg.Name+" counts in "+histogram+name+" of "+labels, func() bool { return m.counted(t, histogram+series) == want })
	}
	_, page := m.get(t, "/metrics")
	if !regexp.MustCompile(`(?m)^sipcluster_` + histogram + `_sum` + more + ` \S+$`).MatchString(page) {
		t.Errorf("%s has no sum", histogram)
	}
}

// Each time is counted at the node that knows of it, for each thing that happened once.
func TestTimes_CountWhatHappened(t *testing.T) {
	a, b := twoNodes(t, nil)
	all := []*member{a, b}
	b.write(t, all, phoneDN("1001"), phoneDN("1002"), phoneDN("1003", "g"),
		&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "g"}}},
		putDN(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "g"}}))
	for _, m := range all {
		m.counts(t, "registration_duration_seconds", "", 0)
		m.counts(t, "routing_duration_seconds", `at="dn"`, 0)
		m.counts(t, "ringing_duration_seconds", "", 0)
	}
	caller, local, remote := a.phone(t, "1001"), a.phone(t, "1002"), b.phone(t, "1003")
	timesOfRegistrations(t, a, b, remote)
	for _, m := range all {
		m.says(t, "1003", "IN_SRV n2@site-n2")
	}
	talks(t, caller, local, "1002", nil)
	talks(t, caller, remote, "1003", nil)
	refused(t, caller, "nobody", 404)
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	x := &transfers{t: t, ctx: ctx}
	out, _ := x.up(caller, local, "sip:1002@"+realm) // which does not ring
	x.bye(out)
	a.counts(t, "routing_duration_seconds", `at="dn"`, 3)
	a.counts(t, "routing_duration_seconds", `at="routing_point"`, 0)
	a.counts(t, "ringing_duration_seconds", "", 2)
	b.counts(t, "routing_duration_seconds", `at="dn"`, 0) // it only delivers
	b.counts(t, "ringing_duration_seconds", "", 0)
	timesOfReservations(t, a, caller, remote)
}

// timesOfRegistrations: each change of a registration once, and at the other node none that
// was not.
func timesOfRegistrations(t *testing.T, a, b *member, remote *siptest.UA) {
	all := func(m *member) int {
		return m.counted(t, "sip_registrations_total") + m.counted(t, "sip_refreshes_total") + m.counted(t, "sip_removals_total")
	}
	a.counts(t, "registration_duration_seconds", "", 2)
	b.counts(t, "registration_duration_seconds", "", 1)
	await(t, "a registration at n2 is seen to arrive at n1", func() bool { // none is while the link is brought up anew
		registers(t, remote)
		return a.counted(t, `propagation_duration_seconds_count\{peer="n2"\}`) > 0
	})
	for _, m := range []*member{a, b} {
		m.counts(t, "registration_duration_seconds", "", all(m))
	}
	if arrived, made := a.counted(t, "propagation_duration_seconds_count"), all(b); arrived > made {
		t.Errorf("%d registrations of %d arrived", arrived, made)
	}
}

// timesOfReservations: one for a call to an agent of another node, and one for a client.
func timesOfReservations(t *testing.T, a *member, caller, remote *siptest.UA) {
	a.counts(t, "reservation_duration_seconds", `peer="n2"`, 0)
	talks(t, caller, remote, "9000", nil)
	a.counts(t, "routing_duration_seconds", `at="routing_point"`, 1)
	a.counts(t, "reservation_duration_seconds", `peer="n2"`, 1)
	a.says(t, "1003", "IN_SRV n2@site-n2")
	desktop := opened(t, a.cfg.TCAddr)
	if _, err := desktop.ReserveAgent(t.Context(), "1003", time.Minute, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := desktop.CancelReservation(t.Context(), "1003"); err != nil {
		t.Fatal(err)
	}
	a.counts(t, "reservation_duration_seconds", `peer="n2"`, 2)
}
