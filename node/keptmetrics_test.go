package node

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

func TestMetrics_OfWhatANodeKeeps(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"config.db": 7, "raft/raft.db": 5, "raft/snapshots/1/state.bin": 20, "location/location.journal.00000001": 3, "node.key": 100} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantLines(t, samples(func(emit func(api.Sample)) {
		storeSamples(dir, emit)
		certificateSample(&x509.Certificate{NotAfter: time.Unix(1234, 0)}, emit)
		certificateSample(nil, emit)
	}), `
		store_bytes{store=config.db} 7 gauge
		store_bytes{store=raft} 25 gauge
		store_bytes{store=location} 3 gauge
		store_bytes{store=agents} 0 gauge
		certificate_expiry_timestamp_seconds 1234 gauge
	`)
}

// TestMetrics_OfVerdictsByReason: why peers were lost, beside how often.
func TestMetrics_OfVerdictsByReason(t *testing.T) {
	peers := []tcontroller.PeerStatus{{Losses: 3, LossesBy: map[string]uint64{"cut": 2, "left": 1}}}
	peers[0].Name = "sip2"
	got := map[string]float64{}
	peerSamples(0, peers, func(s api.Sample) {
		if s.Name == "peer_verdicts_total" && s.Counter {
			got[s.Labels[1]+" "+s.Labels[3]] = s.Value
		}
	})
	if len(got) != 2 || got["sip2 cut"] != 2 || got["sip2 left"] != 1 {
		t.Errorf("verdicts: %v", got)
	}
}
