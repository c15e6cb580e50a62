package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/server"
)

// maxConfiguration is how much of the configuration is taken, in bytes.
const maxConfiguration = 32 << 20

// reportNames are the files that nodes report in; others are not taken.
var reportNames = []string{"log.txt", "metrics.txt", "goroutines.txt", "program.txt", "settings.json"}

// bundle is what was collected.
type bundle struct {
	files    []file
	manifest manifest
}

type file struct {
	name string
	text []byte
}

// manifest is what is in a bundle, and what is not; names and order are a contract.
type manifest struct {
	Made    string        `json:"made"`
	Program string        `json:"program"`
	Nodes   []nodeEntry   `json:"nodes"`
	Missing []missingFile `json:"missing"`
}

type nodeEntry struct {
	Node   string   `json:"node"`
	Site   string   `json:"site"`
	Error  string   `json:"error,omitempty"`
	TookMS float64  `json:"took_ms"`
	Files  []string `json:"files"`
	// Cut are those of the files that were longer.
	Cut []string `json:"cut"`
}

type missingFile struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

// collect asks a node for all; an error says that it gives no report, so nothing was
// collected.
func (c commands) collect(ctx context.Context, cl *client.Client) (*bundle, error) {
	b := &bundle{manifest: manifest{Program: server.Version(), Missing: []missingFile{}}}
	p := c.Progress("collecting")
	defer p.End()
	err := cl.CollectReports(ctx, func(r *tcpb.CollectReportsResponse) {
		b.addReport(r)
		p.Say(fmt.Sprintf("collecting: %d nodes", len(b.manifest.Nodes)))
	})
	switch {
	case err != nil && len(b.manifest.Nodes) == 0:
		return nil, err
	case err != nil:
		b.lacks("nodes", err)
	}
	diagnosis := tcpb.NewDiagnosisClient(cl.Conn)
	b.add("survey.json", func(w io.Writer) error {
		s, err := client.Unary(ctx, cl, diagnosis.Survey, &tcpb.SurveyRequest{})
		return writeJSON(w, s, err)
	})
	b.add("events.json", func(w io.Writer) error { // not of calls: who called whom is nobody else's business
		e, err := client.Unary(ctx, cl, diagnosis.ListEvents, &tcpb.ListEventsRequest{Limit: maxEvents, Kinds: []tcpb.HistoryKind{
			tcpb.HistoryKind_HISTORY_KIND_STATE, tcpb.HistoryKind_HISTORY_KIND_AGENT, tcpb.HistoryKind_HISTORY_KIND_USE, tcpb.HistoryKind_HISTORY_KIND_LINK, tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION,
		}})
		return writeJSON(w, e, err)
	})
	b.add("configuration.yaml", func(w io.Writer) error {
		return config.Export(ctx, cl, &configpb.ExportRequest{}, &limited{w: w, left: maxConfiguration})
	})
	return b, nil
}

// maxEvents are the last ones in a bundle.
const maxEvents = 5000

// writeJSON writes an answer, or returns why there is none.
func writeJSON(w io.Writer, answer proto.Message, err error) error {
	if err != nil {
		return err
	}
	text, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(answer)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// add collects a file; what there is of it stays in the bundle when the rest is missing.
func (b *bundle) add(name string, write func(io.Writer) error) {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		b.lacks(name, err)
	}
	if text.Len() > 0 {
		b.files = append(b.files, file{name, text.Bytes()})
	}
}

func (b *bundle) lacks(name string, err error) {
	b.manifest.Missing = append(b.manifest.Missing, missingFile{name, err.Error()})
}

func (b *bundle) addReport(r *tcpb.CollectReportsResponse) {
	n := nodeEntry{Node: r.GetNode(), Site: r.GetSite(), Error: r.GetError(), TookMS: float64(r.GetTook().AsDuration().Microseconds()) / 1000, Files: []string{}, Cut: []string{}}
	for _, f := range r.GetFiles() {
		if !slices.Contains(reportNames, f.GetName()) || !configpb.ValidNodeName(r.GetNode()) {
			continue
		}
		name := path.Join("nodes", r.GetNode(), f.GetName())
		b.add(name, func(w io.Writer) error {
			z, err := gzip.NewReader(bytes.NewReader(f.GetGzip()))
			if err == nil {
				_, err = io.Copy(w, io.LimitReader(z, api.MaxReportText))
			}
			return err
		})
		n.Files = append(n.Files, f.GetName())
		if f.GetCut() {
			n.Cut = append(n.Cut, f.GetName())
		}
	}
	b.manifest.Nodes = append(b.manifest.Nodes, n)
}

// write writes the archive, all below one directory.
func (b *bundle) write(w io.Writer, dir string, now time.Time) error {
	b.manifest.Made = now.UTC().Format(time.RFC3339)
	text, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range append([]file{{"manifest.json", append(text, '\n')}}, b.files...) {
		h := &tar.Header{Name: path.Join(dir, f.name), Mode: 0o600, Size: int64(len(f.text)), ModTime: now, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// limited is a writer that takes no more than so many bytes.
type limited struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	if len(b) <= l.left {
		l.left -= len(b)
		return l.w.Write(b)
	}
	n, err := l.w.Write(b[:l.left])
	if l.left = 0; err == nil {
		err = fmt.Errorf("it was cut behind %d MiB", maxConfiguration>>20)
	}
	return n, err
}
