package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/quota"
	"github.com/sipcluster/sipcluster/sip/enrolment"
)

// emitted are the samples of f, as /metrics writes them.
func emitted(f func(func(api.Sample))) (all []string) {
	f(func(s api.Sample) {
		labels := s.Labels
		if s.Label != "" {
			labels = []string{s.Label, s.LabelValue}
		}
		all = append(all, fmt.Sprintf("%s{%s} %v", s.Name, strings.Join(labels, " "), s.Value))
	})
	return all
}

func TestTrunkSamples(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_500)
	for name, c := range map[string]struct {
		emit func(func(api.Sample))
		want []string
	}{
		"calls that leave": {
			func(emit func(api.Sample)) {
				callSamples(&quota.Total{Trunk: "c", Direction: quota.Out, Ended: [7]uint64{5: 3}, Limited: 2, Passed: 4}, emit)
			},
			[]string{"trunk_calls_total{trunk c direction out outcome 2xx} 0", "trunk_calls_total{trunk c direction out outcome 5xx} 3", "trunk_limited_total{trunk c direction out} 2", "trunk_failovers_total{trunk c} 4"},
		},
		"calls that come": {
			func(emit func(api.Sample)) {
				callSamples(&quota.Total{Trunk: "c", Direction: quota.In, Ended: [7]uint64{0: 1, 2: 7}}, emit)
			},
			[]string{"trunk_calls_total{trunk c direction in outcome none} 1", "trunk_calls_total{trunk c direction in outcome 2xx} 7", "trunk_limited_total{trunk c direction in} 0"},
		},
		"a registration": {
			func(emit func(api.Sample)) {
				registrationSamples("c", enrolment.Status{Until: now.Add(time.Minute), Succeeded: now}, true, now, emit)
			},
			[]string{"trunk_registration_turn{trunk c} 1", "trunk_registered{trunk c} 1", "trunk_registration_expires_timestamp_seconds{trunk c} 1.7000000605e+09",
				"trunk_registration_success_timestamp_seconds{trunk c} 1.7000000005e+09", "trunk_registration_failure_timestamp_seconds{trunk c} 0"},
		},
		"a registration that is over": {
			func(emit func(api.Sample)) {
				registrationSamples("c", enrolment.Status{Until: now, Failed: now}, false, now, emit)
			},
			[]string{"trunk_registration_turn{trunk c} 0", "trunk_registered{trunk c} 0", "trunk_registration_expires_timestamp_seconds{trunk c} 1.7000000005e+09",
				"trunk_registration_success_timestamp_seconds{trunk c} 0", "trunk_registration_failure_timestamp_seconds{trunk c} 1.7000000005e+09"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := emitted(c.emit); !slices.Equal(got, c.want) {
				t.Errorf("samples\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
