package api

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sipcluster/sipcluster/api/board"
	"github.com/sipcluster/sipcluster/api/rest"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Sample is one number of /metrics.
type Sample struct {
	// Name in Prometheus form, without the prefix "sipcluster_".
	Name, Help string
	// Counter: it only grows while the node runs; otherwise it is a gauge.
	Counter bool
	// Label and LabelValue tell samples of one name apart; "" for none.
	Label, LabelValue string
	// Labels are more of them: name, value, name, value.
	Labels []string
	Value  float64
	// Histogram: it is that, and has no Value.
	Histogram *histogram.Reading
}

// Source gives numbers of one part of the node whenever /metrics is read.
type Source interface {
	Samples(emit func(Sample))
}

// HTTPConfig is what the HTTP port serves.
type HTTPConfig struct {
	Table    *dn.Table
	Observer Observer
	// Names maps a node id to its name.
	Names func(dn.Node) string
	// SiteOf maps a node id to its site; nil: nodes are told without.
	SiteOf func(dn.Node) string
	// Sources beside the table and the observer.
	Sources []Source
	// Ready says why the node is not ready to serve; nil when it is.
	Ready func() error
	// Services are served at the paths of package rest.
	Services http.Handler
	// Debug adds /debug/pprof.
	Debug bool
}

// NewHTTP returns the handler of the HTTP port: /metrics, /healthz (the
// process answers), /readyz (it serves phones), /board/ and the services.
func NewHTTP(c HTTPConfig) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := c.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET "+board.Path, board.Handler())
	mux.Handle("GET /{$}", http.RedirectHandler(board.Path, http.StatusFound))
	if c.Services != nil {
		for _, prefix := range rest.Prefixes {
			mux.Handle(prefix, c.Services)
		}
	}
	if c.Debug {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// registry has all that /metrics shows.
func (c HTTPConfig) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{append([]Source{tableSource{c.Table}, observerSource{c}}, c.Sources...)})
	return r
}

// AsksItself tells whether what is at a path of the HTTP port asks who somebody is by
// itself, or has nothing to ask.
func AsksItself(path string) bool {
	return path == "/" || strings.HasPrefix(path, board.Path) || slices.ContainsFunc(rest.Prefixes, func(p string) bool { return strings.HasPrefix(path, p) })
}

// collector makes Prometheus metrics of samples. It describes none beforehand,
// so that a source may have as many as it likes.
type collector struct{ sources []Source }

func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(metrics chan<- prometheus.Metric) {
	for _, source := range c.sources {
		source.Samples(func(s Sample) {
			var labels, values []string
			if s.Label != "" {
				labels, values = []string{s.Label}, []string{s.LabelValue}
			}
			for i := 0; i+1 < len(s.Labels); i += 2 {
				labels, values = append(labels, s.Labels[i]), append(values, s.Labels[i+1])
			}
			desc := prometheus.NewDesc("sipcluster_"+s.Name, s.Help, labels, nil)
			m, err := s.metric(desc, values)
			if err != nil {
				m = prometheus.NewInvalidMetric(desc, err)
			}
			metrics <- m
		})
	}
}

// metric makes one of the sample.
func (s *Sample) metric(desc *prometheus.Desc, labels []string) (prometheus.Metric, error) {
	switch r := s.Histogram; {
	case r != nil:
		buckets := make(map[float64]uint64, len(r.Bounds))
		for i, bound := range r.Bounds {
			buckets[bound] = r.UpTo[i]
		}
		return prometheus.NewConstHistogram(desc, r.Count, r.Sum, buckets, labels...)
	case s.Counter:
		return prometheus.NewConstMetric(desc, prometheus.CounterValue, s.Value, labels...)
	}
	return prometheus.NewConstMetric(desc, prometheus.GaugeValue, s.Value, labels...)
}

type tableSource struct{ table *dn.Table }

func (s tableSource) Samples(emit func(Sample)) {
	c := s.table.Counts()
	emit(Sample{Name: "dns_known", Help: "DNs that are or were registered anywhere.", Value: float64(c.Known)})
	emit(Sample{Name: "dns_in_service", Help: "DNs in service as this node sees it.", Value: float64(c.InSrv)})
	emit(Sample{Name: "dns_owned", Help: "DNs in service that this node owns.", Value: float64(c.Owned)})
	emit(Sample{Name: "records_rejected_total", Help: "Invalid records from peers, ignored.", Counter: true, Value: float64(s.table.Rejected())})
}

type observerSource struct{ c HTTPConfig }

func (s observerSource) Samples(emit func(Sample)) {
	for _, p := range s.c.Observer.Peers() {
		s.peer(&p, emit)
	}
	raft := s.c.Observer.Raft()
	emit(Sample{Name: "raft_term", Help: "Raft term.", Value: float64(raft.Term)})
	emit(Sample{Name: "raft_applied_index", Help: "Last Raft entry applied here.", Value: float64(raft.Applied)})
	emit(Sample{Name: "raft_leader", Help: "1 at the Raft leader.", Value: number(raft.State == "leader")})
	emit(Sample{Name: "raft_quorum", Help: "1 when a majority of the voters is reachable.", Value: number(raft.Quorum)})
	emit(Sample{Name: "warnings", Help: "Open faults; sipcluster status names them.", Value: float64(len(s.c.Observer.Problems()))})
}

func (s observerSource) peer(p *Peer, emit func(Sample)) {
	name := s.c.Names(p.ID)
	gauge := func(metric, help string, v float64) {
		emit(Sample{Name: metric, Help: help, Label: "peer", LabelValue: name, Value: v})
	}
	reachable := Sample{Name: "peer_reachable", Help: "1 when the peer is heard: its DNs count here.", Label: "peer", LabelValue: name, Value: number(p.Reachable)}
	if s.c.SiteOf != nil {
		reachable.Labels = []string{"site", s.c.SiteOf(p.ID)}
	}
	emit(reachable)
	gauge("peer_dns_owned", "DNs in service that the peer owns.", float64(s.c.Table.OwnedBy(p.ID)))
	l := &p.Link
	gauge("peer_rtt_seconds", "Last round trip of the T-Controller link.", l.RTT.Seconds())
	gauge("peer_delay_to_seconds", "Estimated way of the last ping to the peer.", l.ToPeer.Seconds())
	gauge("peer_delay_from_seconds", "Estimated way of the last ping's answer from the peer.", l.FromPeer.Seconds())
	gauge("peer_clock_skew_seconds", "The peer's clock minus this node's.", l.ClockSkew.Seconds())
	if !l.LastAnswer.IsZero() {
		gauge("peer_last_answer_timestamp_seconds", "When the peer last answered a ping, by this node's clock.", float64(l.LastAnswer.UnixMilli())/1000)
	}
	gauge("peer_send_queue_changes", "Changes of this node's DNs not yet handed to the link by which the peer follows.", float64(l.SendQueue))
	gauge("peer_send_queue_bytes", "Bytes to the peer that its kernel has not acknowledged, both links.", float64(l.SendQueueBytes))
	gauge("peer_receive_queue_bytes", "Bytes from the peer that this process has not read, both links.", float64(l.ReceiveQueueBytes))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
