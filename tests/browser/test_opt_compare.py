"""Several seeds of a job, and other jobs and tables laid over its charts."""

import urllib.request
from pathlib import Path

from conftest import OptPage
from playwright.sync_api import expect

QUICK = "tune=layernorm&batch=4&eval=6&truth=0&forwards=12"
STATE = "document.querySelector('#opt-jobs li.here')?.dataset.state"


def trained(opt: OptPage, spec: str) -> int:
    """The number of a job that has been trained and is shown."""
    opt.open(spec)
    opt.start()
    opt.wait_for(f"{STATE} === 'finished'")
    return opt.jobs[0]["id"]


def test_several_seeds_are_stopped_resumed_and_compared(opt: OptPage):
    page = opt.page
    opt.open(f"{QUICK}&runs=3&seed=4&opt=mezo:n=1&opt=adam".replace("forwards=12", "forwards=60"))
    opt.start()
    opt.wait_for("document.querySelector('tr[data-label=mezo] [data-cell=status]')?.textContent.startsWith('1 of 3')")
    opt.stop()
    opt.wait_for(
        "document.querySelector('tr[data-label=mezo] [data-cell=status]').textContent.includes('stopped in seed')"
    )
    page.get_by_role("button", name="Resume").click()
    opt.wait_for(f"{STATE} === 'finished'")
    for label in ("mezo", "adam"):
        expect(page.locator(f"tr[data-label={label}] [data-cell=status]")).to_have_text("finished, 3 seeds")
    opt.wait_for("document.querySelector('#opt-bar .seeds li')?.textContent.startsWith('MeZO against Adam, 3 seeds, ')")

    # The table's numbers are those of the CSV.
    with urllib.request.urlopen(f"{opt.url}/api/finetune/{opt.jobs[0]['id']}/table.csv") as answer:
        head, *lines = answer.read().decode().split()
    columns = head.split(",")
    assert columns[:3] == ["optimizer", "run", "step"]
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines]
    mezo = [row for row in rows if row["optimizer"] == "mezo"]
    measured = [row for row in mezo if row["val_loss"]]
    finals = [[float(row["val_loss"]) for row in measured if row["run"] == str(run)][-1] for run in range(3)]
    median = sorted(finals)[1]
    assert page.locator("tr[data-label=mezo] [data-cell=loss]").inner_text().startswith(f"{median:.3f} ")
    chart = "document.querySelector('#opt-loss .graph').data"
    # A band of the held-out loss for each optimizer; of the training loss the median alone.
    opt.wait_for(f"{chart}.filter(({{ fill }}) => fill === 'tonexty').length === 2")

    # Panels of one seed show the chosen one.
    first = page.locator("#opt-sentences").inner_text()
    page.locator("[data-do=seed]").select_option(label="4")
    opt.wait_for(f"document.querySelector('#opt-sentences').innerText !== {first!r}")


def test_jobs_and_tables_are_laid_over(opt: OptPage, tmp_path: Path):
    page = opt.page
    other = trained(opt, f"{QUICK}&loss=accuracy&opt=mezo:n=1")
    opt.wait_for("document.querySelectorAll('#opt-loss .stage').length === 2")
    titles = page.locator("#opt-loss h3").all_inner_texts()
    assert titles == ["Held-out cross-entropy", "Training loss: 1 − accuracy of each minibatch"]
    job = trained(opt, f"{QUICK.replace('batch=4', 'batch=8')}&opt=mezo:n=1")
    assert page.locator("#opt-loss .stage").count() == 1
    page.get_by_label(f"Run {other} in the charts too").click()
    legend = page.locator("#opt-loss .over")
    legend.wait_for()
    expect(legend).to_contain_text(f"#{job} loss cross_entropy, batch 8")
    expect(legend).to_contain_text(f"#{other} loss accuracy, batch 4")
    dashed = "document.querySelector('#opt-loss .graph').data.filter(({ line }) => line?.dash === '7px,4px').length"
    opt.wait_for(f"{dashed} === 1")  # its training loss is on no axis with cross-entropy
    opt.wait_for(f"location.hash === '#run={job}&over={other}'")
    page.reload()
    opt.wait_for(f"document.querySelector('#opt-loss .graph')?.data && {dashed} === 1")

    table = tmp_path / "elsewhere.csv"
    with urllib.request.urlopen(f"{opt.url}/api/finetune/{other}/table.csv") as answer:
        table.write_bytes(answer.read())
    page.locator("#opt-jobs input[type=file]").set_input_files(table)
    opt.wait_for("document.querySelector('#opt-loss .over')?.innerText.includes('elsewhere.csv')")
    table.write_text("a,b\n1,2\n")
    page.locator("#opt-jobs input[type=file]").set_input_files(table)
    opt.wait_for("document.querySelector('#opt-message').textContent.startsWith('elsewhere.csv has no column step')")
    page.get_by_label("Take elsewhere.csv away").click()
    opt.wait_for("!document.querySelector('#opt-loss .over').innerText.includes('elsewhere.csv')")
    page.get_by_label(f"Run {other} in the charts too").click()
    opt.wait_for(f"location.hash === '#run={job}'")
