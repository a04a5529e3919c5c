"""Compare SPARE with ERM on a simulated cohort, in a few lines. A few minutes on two cores."""

# [quickstart]
import everygroup as eg
from everygroup.datasets import simulated

cohort = simulated.dermatology(n=2400, image_size=32, seed=0).cohort  # images, labels, groups 'light' and 'dark'
split = eg.split_cohort(cohort, seed=0)  # 6:2:2, no patient in two parts
settings = eg.TrainSettings.make({"epochs": 20})  # the same budget for both methods
store = eg.Store()  # nothing is trained or measured twice

erm = eg.methods.ERM().fit(split.train, split.validation, settings=settings, store=store)
spare = eg.methods.Spare(alpha=0.5).fit(split.train, split.validation, settings=settings, store=store)

result = eg.audit(spare.predict(split.test), baseline=erm.predict(split.test))
print(result.summary())
# [/quickstart]
