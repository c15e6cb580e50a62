package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// MaxReportText is the length of a text in a report, in bytes.
	MaxReportText = 1 << 20
	// reportTime is how long another node may take for its report.
	reportTime = 2 * time.Second
	// reportsAtOnce nodes are asked side by side.
	reportsAtOnce = 16
)

// CollectReports sends this node's report, and those of all others as they answer.
func (d *Diagnosis) CollectReports(_ *tcpb.CollectReportsRequest, out grpc.ServerStreamingServer[tcpb.CollectReportsResponse]) error {
	leave, err := d.collecting.take(out.Context())
	if err != nil {
		return err
	}
	defer leave()
	view, self := d.cfg.View(), d.cfg.Table.Self()
	own := view.Node(string(self))
	if err := out.Send(&tcpb.CollectReportsResponse{Node: own.GetName(), Site: own.GetSite(), Files: d.cfg.Report()}); err != nil {
		return err
	}
	for some := range slices.Chunk(others(view, self), reportsAtOnce) {
		for _, report := range askEach(out.Context(), some, reportTime, d.askReport) {
			if err := out.Send(report); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Diagnosis) askReport(ctx context.Context, n *configpb.Node) *tcpb.CollectReportsResponse {
	began := time.Now()
	r := &tcpb.CollectReportsResponse{Node: n.GetName(), Site: n.GetSite()}
	var err error
	if r.Files, err = d.cfg.AskReport(ctx, dn.Node(n.GetId())); err != nil {
		r.Files, r.Error = nil, status.Convert(err).Message()
	}
	r.Took = durationpb.New(time.Since(began))
	return r
}

// ReportText makes a file of a text, of its begin where it is too long.
func ReportText(name string, text []byte) *tcpb.ReportFile {
	cut := len(text) > MaxReportText
	return reportFile(name, text[:min(len(text), MaxReportText)], cut)
}

// ReportTail is ReportText, of the end.
func ReportTail(name string, text []byte) *tcpb.ReportFile {
	cut := len(text) > MaxReportText
	if cut {
		text = text[len(text)-MaxReportText:]
		text = text[bytes.IndexByte(text, '\n')+1:] // whole lines
	}
	return reportFile(name, text, cut)
}

func reportFile(name string, text []byte, cut bool) *tcpb.ReportFile {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a level that there is
	_, _ = z.Write(text)                            // a buffer takes all
	_ = z.Close()
	return &tcpb.ReportFile{Name: name, Gzip: b.Bytes(), Cut: cut}
}

// WriteMetrics writes what /metrics shows, as text.
func WriteMetrics(w io.Writer, c HTTPConfig) error {
	families, err := c.registry().Gather()
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return err
}
